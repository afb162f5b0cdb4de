"""`whimbrel partner`: who may send. A running gateway follows within seconds."""

import base64
import secrets
import sys
from ipaddress import ip_network
from typing import Annotated, Any

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from whimbrel.cli.terminal import ConfigOption, console, fail, with_store
from whimbrel.clock import SystemClock
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import DuplicateControl, Partner, Profile, TrafficType, zone_of
from whimbrel.domain.password import BadPassword, hash_password
from whimbrel.http_out import usable_url
from whimbrel.store.engine import Store
from whimbrel.store.partners import (
    PartnerChange,
    add_partners,
    all_partners,
    change_partners,
    remove_partners,
    unsettled_of,
)

app = typer.Typer(help="Partners: who may send, and how.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="The Partner's login.")]
_GENERATED_BYTES = 18
_SECRET_BYTES = 24  # Standard Webhooks asks for 24 to 64

Subnets = Annotated[
    list[str] | None,
    typer.Option("--subnet", help="Where requests may come from; repeatable; '' for anywhere."),
]
Senders = Annotated[
    list[str] | None, typer.Option("--sender", help="A sender it may use; repeatable.")
]
DefaultSender = Annotated[str | None, typer.Option(help="The sender where it names none.")]
Types = Annotated[
    list[Channel] | None, typer.Option("--type", help="A message type it may use; repeatable.")
]
WhatsappTtl = Annotated[
    int | None, typer.Option(min=1, max=10_080, help="Default lifetime on WhatsApp, minutes.")
]
SmsTtl = Annotated[
    int | None, typer.Option(min=1, max=2_880, help="Default lifetime of SMS, minutes.")
]
Duplicates = Annotated[DuplicateControl | None, typer.Option(help="What a repeated id gets.")]
ContentWindow = Annotated[
    int | None, typer.Option(min=0, help="Seconds in which equal content is a duplicate; 0: off.")
]
ReportUrl = Annotated[str | None, typer.Option(help="Where its delivery reports go.")]
Traffic = Annotated[TrafficType | None, typer.Option(help="trafficType of its reports.")]
Zone = Annotated[str | None, typer.Option(help="IANA zone of dates in reports; '' is UTC+3.")]
RateOption = Annotated[float | None, typer.Option(min=0, help="Requests a second; 0: no limit.")]
Burst = Annotated[int | None, typer.Option(min=1, help="Requests at once within the rate.")]
Concurrency = Annotated[int | None, typer.Option(min=0, help="Requests under way; 0: no limit.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


async def add_partner(store: Store, login: str, password: str, profile: Profile) -> bool:
    """Write a new Partner; tell whether the login was free. Raises `BadPassword`."""
    taken = {one.partner.login for one in await store.read(all_partners, None) if not one.removed}
    if login in taken:
        return False
    partner = Partner(0, login, hash_password(password), False, profile)
    added = await store.write(add_partners, PartnerChange(partner, SystemClock().now()))
    return added is not None


@app.command("add")
def add(
    login: Login,
    config: ConfigOption = None,
    subnet: Subnets = None,
    sender: Senders = None,
    default_sender: DefaultSender = None,
    message_type: Types = None,
    whatsapp_ttl: WhatsappTtl = None,
    sms_ttl: SmsTtl = None,
    duplicate_control: Duplicates = None,
    content_window: ContentWindow = None,
    report_url: ReportUrl = None,
    traffic_type: Traffic = None,
    zone: Zone = None,
    rate: RateOption = None,
    burst: Burst = None,
    concurrency: Concurrency = None,
    sign_reports: Annotated[
        bool, typer.Option(help="Make a secret that signs its reports.")
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a Partner. Without --password-stdin a password is made and shown once."""
    profile = _changed(
        Profile(),
        subnets=subnet,
        senders=sender,
        default_sender=default_sender,
        message_types=message_type,
        ttl_minutes=_ttls({}, whatsapp_ttl, sms_ttl),
        duplicate_control=duplicate_control,
        content_window_seconds=content_window,
        report_url=report_url,
        traffic_type=traffic_type,
        zone=zone,
        rate=rate,
        burst=burst,
        concurrency=concurrency,
        signing_secret=_new_secret() if sign_reports else None,
    )
    _check_login(login)
    password, shown = _password(password_stdin=password_stdin)
    try:
        added = with_store(config, lambda store: add_partner(store, login, password, profile))
    except BadPassword as error:
        fail(f"password: {error}")
    if not added:
        fail(f"login: {login!r} is taken")
    console.print(f"Partner {login} was added.")
    if shown:
        console.print(f"Password: {password}")
    if profile.signing_secret:
        console.print(f"Signing secret: {profile.signing_secret}")


@app.command("set")
def set_partner(
    login: Login,
    config: ConfigOption = None,
    subnet: Subnets = None,
    sender: Senders = None,
    default_sender: DefaultSender = None,
    message_type: Types = None,
    whatsapp_ttl: WhatsappTtl = None,
    sms_ttl: SmsTtl = None,
    duplicate_control: Duplicates = None,
    content_window: ContentWindow = None,
    report_url: ReportUrl = None,
    traffic_type: Traffic = None,
    zone: Zone = None,
    rate: RateOption = None,
    burst: Burst = None,
    concurrency: Concurrency = None,
    new_signing_secret: Annotated[
        bool, typer.Option(help="Replace the secret that signs its reports; shown once.")
    ] = False,
    no_signing: Annotated[bool, typer.Option(help="Sign its reports no more.")] = False,
    enable: Annotated[bool, typer.Option(help="Let a disabled Partner send again.")] = False,
) -> None:
    """Change a Partner; what is not named stays as it is."""

    async def work(store: Store) -> str:
        partner = await _find(store, login)
        secret = _new_secret() if new_signing_secret else ("" if no_signing else None)
        profile = _changed(
            partner.profile,
            subnets=subnet,
            senders=sender,
            default_sender=default_sender,
            message_types=message_type,
            ttl_minutes=_ttls(partner.profile.ttl_minutes, whatsapp_ttl, sms_ttl),
            duplicate_control=duplicate_control,
            content_window_seconds=content_window,
            report_url=report_url,
            traffic_type=traffic_type,
            zone=zone,
            rate=rate,
            burst=burst,
            concurrency=concurrency,
            signing_secret=secret,
        )
        await _write(
            store, replace(partner, profile=profile, disabled=partner.disabled and not enable)
        )
        return secret or ""

    secret = with_store(config, work)
    console.print(f"Partner {login} was changed.")
    if secret:
        console.print(f"Signing secret: {secret}")


@app.command("list")
def list_partners(config: ConfigOption = None) -> None:
    """List the Partners."""
    stored = with_store(config, lambda store: store.read(all_partners, None))
    table = Table("login", "senders", "types", "duplicates", "rate", "reports to", "state")
    for partner in (one.partner for one in stored if not one.removed):
        profile = partner.profile
        table.add_row(
            partner.login,
            ", ".join(profile.senders),
            ", ".join(profile.message_types),
            profile.duplicate_control,
            f"{profile.rate:g}/s" if profile.rate else "-",
            profile.report_url or "-",
            "disabled" if partner.disabled else "active",
        )
    console.print(table)


@app.command("show")
def show(login: Login, config: ConfigOption = None) -> None:
    """Show all of a Partner but its secrets."""
    partner = with_store(config, lambda store: _find(store, login))
    console.print(f"login: {partner.login}  ({'disabled' if partner.disabled else 'active'})")
    for name, value in msgspec.to_builtins(partner.profile).items():
        shown = ("set" if value else "none") if name == "signing_secret" else value
        console.print(f"{name}: {shown if shown not in ('', [], {}) else '-'}")


@app.command("password")
def password_command(
    login: Login, config: ConfigOption = None, password_stdin: PasswordStdin = False
) -> None:
    """Set a new password; the old one stops working within seconds."""
    password, shown = _password(password_stdin=password_stdin)
    try:
        password_hash = hash_password(password)
    except BadPassword as error:
        fail(f"password: {error}")

    async def work(store: Store) -> None:
        await _write(store, replace(await _find(store, login), password_hash=password_hash))

    with_store(config, work)
    console.print(f"The password of {login} was changed.")
    if shown:
        console.print(f"Password: {password}")


@app.command("disable")
def disable(login: Login, config: ConfigOption = None) -> None:
    """Let a Partner send no more; what it has sent goes on. `set --enable` takes it back."""

    async def work(store: Store) -> None:
        await _write(store, replace(await _find(store, login), disabled=True))

    with_store(config, work)
    console.print(f"Partner {login} is disabled.")


@app.command("remove")
def remove(
    login: Login,
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option(help="Even with messages still on their way.")] = False,
) -> None:
    """Remove a Partner and free its login. Its messages stay, and their reports still go out."""

    async def work(store: Store) -> int:
        partner = await _find(store, login)
        unsettled = await store.read(unsettled_of, partner.partner_id)
        if not unsettled or force:
            change = PartnerChange(partner, SystemClock().now())
            await store.write(remove_partners, change)
            return 0
        return unsettled

    unsettled = with_store(config, work)
    if unsettled:
        fail(f"{login} has {unsettled} messages on their way; disable it first, or use --force")
    console.print(f"Partner {login} was removed.")


async def _find(store: Store, login: str) -> Partner:
    stored = await store.read(all_partners, None)
    found = [one.partner for one in stored if one.partner.login == login and not one.removed]
    return found[0] if found else fail(f"login: there is no Partner {login!r}")


async def _write(store: Store, partner: Partner) -> None:
    await store.write(change_partners, PartnerChange(partner, SystemClock().now()))


def _changed(profile: Profile, **members: Any) -> Profile:
    """Return the profile with the members that are not None, checked."""
    changed = replace(
        profile, **{name: value for name, value in members.items() if value is not None}
    )
    changed.subnets = [subnet for subnet in changed.subnets if subnet]
    for subnet in changed.subnets:
        try:
            ip_network(subnet)
        except ValueError as error:
            fail(f"subnet: {error}")
    if changed.default_sender and changed.default_sender not in changed.senders:
        changed.senders = [*changed.senders, changed.default_sender]
    if changed.report_url and not usable_url(changed.report_url):
        fail("report-url: it must be an absolute http or https URL")
    try:
        zone_of(changed.zone)
    except ValueError as error:
        fail(f"zone: {error}")
    return changed


def _ttls(known: dict[Channel, int], whatsapp: int | None, sms: int | None) -> dict[Channel, int]:
    given = {Channel.WHATSAPP: whatsapp, Channel.SMS: sms}
    return {**known, **{channel: minutes for channel, minutes in given.items() if minutes}}


def _check_login(login: str) -> None:
    if not login or len(login) > 64 or not login.isprintable() or set("/ ") & set(login):
        fail("login: 1 to 64 printable characters, without blanks and slashes")


def _password(*, password_stdin: bool) -> tuple[str, bool]:
    """Return the password to set, and whether it was made here and must be shown."""
    if password_stdin:
        return sys.stdin.readline().rstrip("\n"), False
    return secrets.token_urlsafe(_GENERATED_BYTES), True


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
