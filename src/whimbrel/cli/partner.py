"""`whimbrel partner`: who may send. A running gateway follows within seconds."""

from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.partner_options import (
    Burst,
    Cascades,
    ClickUrl,
    Concurrency,
    ContentDays,
    ContentWindow,
    DefaultSender,
    Duplicates,
    HistoryDays,
    RateOption,
    ReportUrl,
    Senders,
    ShortDomain,
    ShortIdleDays,
    ShortLifetimeDays,
    ShortThreshold,
    ShortUidLength,
    ShortUrls,
    SmsTtl,
    Subnets,
    Traffic,
    Types,
    UnansweredRule,
    VisitDays,
    WhatsappTtl,
    Zone,
    changed,
    refuse,
)
from whimbrel.cli.terminal import (
    ConfigOption,
    PasswordStdin,
    console,
    fail,
    password_to_set,
    read_settings,
    with_store,
)
from whimbrel.clock import SystemClock
from whimbrel.domain.partner import Partner, Profile, new_profile
from whimbrel.flow.own_domain import gateway_base
from whimbrel.flow.partner_changes import changes_between
from whimbrel.flow.partner_rules import (
    BadPartner,
    checked_login,
    grown_length,
    hashed,
    new_partner,
    new_signing_secret,
    taken,
)
from whimbrel.store.audit import Audited, AuditEntry
from whimbrel.store.engine import Store
from whimbrel.store.partners import (
    MOST_UNSETTLED,
    PartnerChange,
    add_partners_audited,
    all_partners,
    change_partners_audited,
    find_partners,
    remove_partners_audited,
    unsettled_of,
)

app = typer.Typer(name="partner", help="Partners: who may send, and how.", no_args_is_help=True)
Login = Annotated[str, typer.Argument(help="The Partner's login.")]


async def add_partner(store: Store, login: str, password: str, profile: Profile) -> None:
    """Write a new Partner. Raises `BadPartner`."""
    if await store.read(find_partners, login) is not None:
        raise taken(login)
    change = PartnerChange(new_partner(login, hashed(password), profile), SystemClock().now())
    entry = _entry("partner.add", login, **changes_between(new_profile(), profile))
    if await store.write(add_partners_audited, Audited(change, entry)) is None:
        raise taken(login)


@app.command("add")
def add(
    login: Login,
    config: ConfigOption = None,
    subnets: Subnets = None,
    senders: Senders = None,
    default_sender: DefaultSender = None,
    message_types: Types = None,
    cascades: Cascades = None,
    whatsapp_ttl: WhatsappTtl = None,
    sms_ttl: SmsTtl = None,
    duplicate_control: Duplicates = None,
    content_window_seconds: ContentWindow = None,
    unanswered: UnansweredRule = None,
    report_url: ReportUrl = None,
    click_url: ClickUrl = None,
    traffic_type: Traffic = None,
    zone: Zone = None,
    rate: RateOption = None,
    burst: Burst = None,
    concurrency: Concurrency = None,
    short_urls: ShortUrls = None,
    short_threshold: ShortThreshold = None,
    short_uid_length: ShortUidLength = None,
    short_idle_days: ShortIdleDays = None,
    short_lifetime_days: ShortLifetimeDays = None,
    short_domain: ShortDomain = None,
    content_days: ContentDays = None,
    history_days: HistoryDays = None,
    visit_days: VisitDays = None,
    sign_reports: Annotated[
        bool, typer.Option(help="Make a secret that signs its reports.")
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add a Partner. Without --password-stdin a password is made and shown once."""
    secret = new_signing_secret() if sign_reports else None
    base = gateway_base(read_settings(config))
    profile = changed(new_profile(), locals(), base, signing_secret=secret)
    try:
        checked_login(login)
        password, shown = password_to_set(password_stdin=password_stdin)
        with_store(config, lambda store: add_partner(store, login, password, profile), create=True)
    except BadPartner as error:
        refuse(error)
    note = _note_of_growth(profile, base)
    print(f"Partner {login} was added.{note}")
    if shown:
        print(f"Password: {password}")
    if profile.signing_secret:
        print(f"Signing secret: {profile.signing_secret}")


@app.command("set")
def set_partner(
    login: Login,
    config: ConfigOption = None,
    subnets: Subnets = None,
    senders: Senders = None,
    default_sender: DefaultSender = None,
    message_types: Types = None,
    cascades: Cascades = None,
    whatsapp_ttl: WhatsappTtl = None,
    sms_ttl: SmsTtl = None,
    duplicate_control: Duplicates = None,
    content_window_seconds: ContentWindow = None,
    unanswered: UnansweredRule = None,
    report_url: ReportUrl = None,
    click_url: ClickUrl = None,
    traffic_type: Traffic = None,
    zone: Zone = None,
    rate: RateOption = None,
    burst: Burst = None,
    concurrency: Concurrency = None,
    short_urls: ShortUrls = None,
    short_threshold: ShortThreshold = None,
    short_uid_length: ShortUidLength = None,
    short_idle_days: ShortIdleDays = None,
    short_lifetime_days: ShortLifetimeDays = None,
    short_domain: ShortDomain = None,
    content_days: ContentDays = None,
    history_days: HistoryDays = None,
    visit_days: VisitDays = None,
    replace_secret: Annotated[
        bool,
        typer.Option(
            "--new-signing-secret", help="Replace the secret that signs its reports; shown once."
        ),
    ] = False,
    no_signing: Annotated[bool, typer.Option(help="Sign its reports no more.")] = False,
    enable: Annotated[bool, typer.Option(help="Let a disabled Partner send again.")] = False,
) -> None:
    """Change a Partner; what is not named stays as it is."""

    options = locals()
    base = gateway_base(read_settings(config))
    secret = new_signing_secret() if replace_secret else ("" if no_signing else None)

    async def work(store: Store) -> Profile:
        partner = await find_partner(store, login)
        profile = changed(partner.profile, options, base, signing_secret=secret)
        disabled = partner.disabled and not enable
        enabled = {"disabled": False} if enable and partner.disabled else {}
        changes = changes_between(partner.profile, profile) | enabled
        entry = _entry("partner.change", login, **changes)
        await write_partner(store, replace(partner, profile=profile, disabled=disabled), entry)
        return profile

    note = _note_of_growth(with_store(config, work), base)
    print(f"Partner {login} was changed.{note}")
    if secret:
        print(f"Signing secret: {secret}")


@app.command("list")
def list_partners(config: ConfigOption = None) -> None:
    """List the Partners."""
    stored = with_store(config, lambda store: store.read(all_partners, None))
    table = Table("login", "senders", "types", "duplicates", "rate", "reports to", "state")
    for partner in (one.partner for one in stored if not one.removed):
        profile = partner.profile
        table.add_row(
            escape(partner.login),
            escape(", ".join(profile.senders)),
            ", ".join(profile.message_types),
            profile.duplicate_control,
            f"{profile.rate:g}/s" if profile.rate else "-",
            escape(profile.report_url or "-"),
            "disabled" if partner.disabled else "active",
        )
    console.print(table)


@app.command("show")
def show(login: Login, config: ConfigOption = None) -> None:
    """Show all of a Partner but its secrets."""
    partner = with_store(config, lambda store: find_partner(store, login))
    print(f"login: {partner.login}  ({'disabled' if partner.disabled else 'active'})")
    for name, value in msgspec.to_builtins(partner.profile).items():
        shown = ("set" if value else "none") if name == "signing_secret" else value
        print(f"{name}: {shown if shown not in ('', [], {}) else '-'}")


@app.command("password")
def password_command(
    login: Login, config: ConfigOption = None, password_stdin: PasswordStdin = False
) -> None:
    """Set a new password; the old one stops working within seconds."""
    password, shown = password_to_set(password_stdin=password_stdin)
    try:
        password_hash = hashed(password)
    except BadPartner as error:
        refuse(error)

    async def work(store: Store) -> None:
        changed = replace(await find_partner(store, login), password_hash=password_hash)
        await write_partner(store, changed, _entry("partner.password", login))

    with_store(config, work)
    print(f"The password of {login} was changed.")
    if shown:
        print(f"Password: {password}")


@app.command("disable")
def disable(login: Login, config: ConfigOption = None) -> None:
    """Let a Partner send no more; what it has sent goes on. `set --enable` takes it back."""

    async def work(store: Store) -> None:
        disabled = replace(await find_partner(store, login), disabled=True)
        await write_partner(store, disabled, _entry("partner.disable", login))

    with_store(config, work)
    print(f"Partner {login} is disabled.")


@app.command("remove")
def remove(
    login: Login,
    config: ConfigOption = None,
    force: Annotated[bool, typer.Option(help="Even with messages still on their way.")] = False,
) -> None:
    """Remove a Partner and free its login. Its messages stay for their time; reports still go."""

    async def work(store: Store) -> int:
        partner = await find_partner(store, login)
        unsettled = await store.read(unsettled_of, partner.partner_id)
        if not unsettled or force:
            change = PartnerChange(partner, SystemClock().now())
            entry = _entry("partner.remove", login, unsettled=unsettled)
            await store.write(remove_partners_audited, Audited(change, entry))
            return 0
        return unsettled

    unsettled = with_store(config, work)
    if unsettled:
        count = f"{unsettled} or more" if unsettled == MOST_UNSETTLED else unsettled
        fail(f"{login} has {count} messages on their way; disable it first, or use --force")
    print(f"Partner {login} was removed.")


async def find_partner(store: Store, login: str) -> Partner:
    """Return a Partner that was not removed; end the command if there is none."""
    found = await store.read(find_partners, login)
    return found.partner if found else fail(f"login: there is no Partner {login!r}")


async def write_partner(store: Store, partner: Partner, entry: AuditEntry) -> None:
    """Write what was changed of a Partner, and into the audit log that it was."""
    change = PartnerChange(partner, SystemClock().now())
    await store.write(change_partners_audited, Audited(change, entry))


def _entry(action: str, login: str, **details: object) -> AuditEntry:
    """Return the audit entry of a change that was made on the command line."""
    return AuditEntry(SystemClock().now(), "whimbrel", "command line", action, login, details)


def _note_of_growth(profile: Profile, base: str) -> str:
    """Tell if URLs are "shortened" that are no longer than their short ones."""
    length = grown_length(profile, base)
    if not length:
        return ""
    return (
        f"\nNote: its short URLs have {length} characters, and URLs of more than "
        f"{profile.short_threshold} are replaced: some texts will grow."
    )
