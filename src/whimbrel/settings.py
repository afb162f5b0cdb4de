"""The only reader of the environment and of the configuration file.

A setting is taken from the built-in default, then the TOML file, then an environment variable
`WHIMBREL_<SECTION>_<NAME>` (for example `WHIMBREL_SERVER_PORT`). Secrets are written in the file as
`env:NAME`, so that the file itself can be kept in a repository.

`docs/settings.md` is generated from this module.
"""

import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

ENVIRONMENT_PREFIX = "WHIMBREL_"
_SECRET_MEMBERS = {"whatsapp": ("token", "app_secret", "verify_token"), "smpp": ("password",)}


class SettingsError(Exception):
    """The configuration cannot be used; the text names the setting and the rule."""


class ServerSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server that Partners and Meta call."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on.", ge=0, le=65535)] = 8080
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="Subnets of reverse proxies. Only a peer inside them may name the caller "
            "by `X-Forwarded-For` or `Forwarded`."
        ),
    ] = field(default_factory=list)
    public_url: Annotated[
        str,
        Meta(
            description="The URL under which Meta reaches this gateway; `doctor` checks callbacks "
            "against it. Empty: unknown."
        ),
    ] = ""
    accept_queue_limit: Annotated[
        int,
        Meta(
            description="How much may wait for the store at once, whatever it is; beyond it "
            "requests are answered code 1 with Retry-After at once.",
            ge=1,
        ),
    ] = 2_000


class StoreSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where chains are kept."""

    path: Annotated[str, Meta(description="The SQLite file.", min_length=1)] = "whimbrel.db"


class DispatchSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """How links are handed to their channels."""

    concurrency: Annotated[
        int, Meta(description="Submits under way at once, per sender account.", ge=1)
    ] = 64
    submit_timeout_seconds: Annotated[
        float,
        Meta(
            description="How long one submit may take before its outcome counts as unknown.",
            gt=0,
            le=300,
        ),
    ] = 30.0
    ambiguity_grace_seconds: Annotated[
        float,
        Meta(
            description="How long a link whose submit had no answer waits for a receipt that bears "
            "its number, before it is submitted again.",
            ge=0,
        ),
    ] = 60.0
    blocked_sender_seconds: Annotated[
        float,
        Meta(
            description="How long a paused sender or an unbound SMSC may hold a link that has "
            "another link behind it; then the cascade goes on.",
            ge=0,
        ),
    ] = 60.0


class ReportsSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """How delivery reports go to Partners."""

    allowed_private_subnets: Annotated[
        list[str],
        Meta(
            description="Subnets inside private, loopback or link-local space to which reports may "
            "go all the same, for example `10.20.0.0/16`. Empty: public addresses only."
        ),
    ] = field(default_factory=list)
    endpoint_concurrency: Annotated[
        int,
        Meta(description="Reports under way at once to one receiver (scheme, host, port).", ge=1),
    ] = 32
    timeout_seconds: Annotated[
        float, Meta(description="How long a receiver may take to acknowledge.", gt=0, le=60)
    ] = 10.0


class ShortUrlSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The service that shortens URLs in the texts of Partners that have it."""

    base_url: Annotated[
        str,
        Meta(
            description="What stands before the UID in the short URLs of Partners without a short "
            "domain of their own, for example `https://go.example`, or with a path if the host "
            "serves something else too. Empty: `server.public_url` with `/l`; if that is empty "
            "too, such Partners' URLs are not shortened.",
            pattern="^(https?://.+)?$",
        ),
    ] = ""


class LogSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is written to standard error, one JSON object a line."""

    level: Annotated[
        str,
        Meta(description="debug, info, warning or error.", pattern="^(debug|info|warning|error)$"),
    ] = "info"


class WhatsappAccount(Struct, kw_only=True, forbid_unknown_fields=True):
    """One sending number of the WhatsApp Business Cloud API."""

    sender: Annotated[
        str,
        Meta(
            description="The sender's name, as Partners write it in `serviceNumber`.", min_length=1
        ),
    ]
    phone_number_id: Annotated[
        str, Meta(description="Graph id of the number (not the number itself).", pattern="^[0-9]+$")
    ]
    token: Annotated[str, Meta(description="Access token. Secret.", min_length=1)]
    app_secret: Annotated[
        str, Meta(description="The app's secret, which signs webhooks. Secret.", min_length=1)
    ]
    verify_token: Annotated[
        str, Meta(description="Our word for the webhook handshake. Secret.", min_length=1)
    ]
    base_url: Annotated[str, Meta(description="Where the Cloud API is.", pattern="^https?://")] = (
        "https://graph.facebook.com"
    )
    api_version: Annotated[
        str, Meta(description="Graph API version.", pattern=r"^v[0-9]+\.[0-9]+$")
    ] = "v23.0"
    throughput: Annotated[
        float,
        Meta(description="Messages a second that Meta grants this number; 0: no pacing.", ge=0),
    ] = 80.0
    pair_pacing: Annotated[
        bool,
        Meta(description="Keep Meta's limit for one subscriber: one in 6 s, bursts of 45."),
    ] = True


class SmppAccount(Struct, kw_only=True, forbid_unknown_fields=True):
    """One account at an SMSC, spoken to in SMPP 3.4."""

    senders: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=20)]],
        Meta(
            description="The senders that go through this account, as Partners write them in "
            "`serviceNumber`.",
            min_length=1,
        ),
    ]
    host: Annotated[str, Meta(description="Where the SMSC is.", min_length=1)]
    port: Annotated[int, Meta(description="Its port.", ge=1, le=65535)] = 2775
    tls: Annotated[bool, Meta(description="Speak TLS, and check its certificate.")] = False
    system_id: Annotated[
        str, Meta(description="Who we are to the SMSC.", min_length=1, max_length=15)
    ]
    password: Annotated[
        str, Meta(description="Our password, up to 8 characters. Secret.", max_length=8)
    ]
    system_type: Annotated[str, Meta(description="Some SMSCs ask for one.", max_length=12)] = ""
    throughput: Annotated[
        float, Meta(description="Parts a second that the SMSC takes from us; 0: no pacing.", ge=0)
    ] = 0.0
    submit_window: Annotated[
        int, Meta(description="Parts that may wait for the SMSC's answer at once.", ge=1, le=10_000)
    ] = 50
    enquire_link_seconds: Annotated[
        float,
        Meta(
            description="After so much silence the SMSC is asked whether it is there; after as "
            "much again the connection is given up.",
            gt=0,
        ),
    ] = 30.0
    source_ton: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        Meta(
            description="Type of number of the sender; absent: told by its form (alphanumeric 5, "
            "short code 3, international 1)."
        ),
    ] = None
    source_npi: Annotated[
        Annotated[int, Meta(ge=0, le=255)] | None,
        Meta(description="Numbering plan of the sender; absent: as above."),
    ] = None
    dest_ton: Annotated[int, Meta(description="Type of number of subscribers.", ge=0, le=255)] = 1
    dest_npi: Annotated[int, Meta(description="Numbering plan of subscribers.", ge=0, le=255)] = 1
    receipt_ids: Annotated[
        str,
        Meta(
            description="How receipts spell the message id that the answer to the submit gave: "
            "`same`, `hex` (decimal in the answer), `decimal` (hex in the answer), or `auto`: "
            "whichever is found.",
            pattern="^(auto|same|hex|decimal)$",
        ),
    ] = "auto"
    receipt_zone: Annotated[
        str, Meta(description="IANA zone of the dates in receipts; empty: UTC+3.")
    ] = ""
    error_codes: Annotated[
        dict[str, Annotated[int, Meta(ge=1, le=16)]],
        Meta(
            description="What this SMSC's own error codes mean, as errorCodes of the reports, for "
            'example `{ "1234" = 8 }`; the codes of GSM are known.'
        ),
    ] = field(default_factory=dict)


class SandboxSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The local stand-in for Meta's Cloud API and for an SMSC, `whimbrel sandbox`."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on.", ge=0, le=65535)] = 8090
    speed: Annotated[
        float, Meta(description="How many times faster than life its delays pass.", gt=0)
    ] = 1.0
    throughput: Annotated[
        float, Meta(description="Messages a second that a number may send; 0: no limit.", ge=0)
    ] = 80.0
    pair_limit: Annotated[
        bool, Meta(description="Refuse what goes over Meta's limit for one subscriber (131056).")
    ] = True
    smsc_port: Annotated[
        int,
        Meta(
            description="Port of the sandbox SMSC, which runs where a section [smpp.NAME] is.",
            ge=0,
            le=65535,
        ),
    ] = 2775


class Settings(Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    server: ServerSettings = field(default_factory=ServerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)
    reports: ReportsSettings = field(default_factory=ReportsSettings)
    short_urls: ShortUrlSettings = field(default_factory=ShortUrlSettings)
    log: LogSettings = field(default_factory=LogSettings)
    whatsapp: dict[str, WhatsappAccount] = field(default_factory=dict)
    smpp: dict[str, SmppAccount] = field(default_factory=dict)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)


ACCOUNTS: Mapping[str, type[Struct]] = MappingProxyType(
    {"whatsapp": WhatsappAccount, "smpp": SmppAccount}
)
"""The sections of sender accounts, `[SECTION.NAME]`, by section."""


def local_host(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - translated


def short_base_url(settings: Settings) -> str:
    """Return the gateway's own short domain as it was written; empty: there is none."""
    public_url = settings.server.public_url.rstrip("/")
    return settings.short_urls.base_url or (f"{public_url}/l" if public_url else "")


def local_url(host: str, port: int) -> str:
    """Return the URL under which this machine reaches a server that listens on `host`."""
    host = local_host(host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    `path` is the TOML file; None means defaults and environment only. A relative `store.path` is
    taken from the file's own folder, so that a command works from anywhere.

    Raises `SettingsError` with the setting's name and the rule that it breaks.
    """
    document = _read_toml(path) if path else {}
    _overlay_environment(document, environment)
    _resolve_secrets(document, environment)
    _check_accounts(document, path)
    try:
        settings = msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path or 'environment'}: {error}") from error
    _check_subnets("server.trusted_proxies", settings.server.trusted_proxies)
    _check_subnets("reports.allowed_private_subnets", settings.reports.allowed_private_subnets)
    _check_senders(settings)
    if path:
        settings.store.path = str(path.parent / settings.store.path)
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _overlay_environment(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Let `WHIMBREL_<SECTION>_<NAME>` win over the file, in every section of fixed name."""
    for section in msgspec.structs.fields(Settings):
        if not (isinstance(section.type, type) and issubclass(section.type, Struct)):
            continue  # [whatsapp.NAME], [smpp.NAME]: their secrets come by env: references
        for member in msgspec.structs.fields(section.type):
            variable = f"{ENVIRONMENT_PREFIX}{section.name}_{member.name}".upper()
            if variable not in environment:
                continue
            text = environment[variable]
            is_list = isinstance(member.default_factory, type) and member.default_factory is list
            document.setdefault(section.name, {})[member.name] = (
                [part.strip() for part in text.split(",") if part.strip()] if is_list else text
            )


def _accounts(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the section, the name and the members of each sender account."""
    for section in ACCOUNTS:
        accounts = document.get(section)
        if isinstance(accounts, dict):
            yield from ((section, name, account) for name, account in accounts.items())


def _resolve_secrets(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    for section, name, account in _accounts(document):
        if not isinstance(account, dict):
            continue
        for member in _SECRET_MEMBERS[section]:
            value = account.get(member)
            if not isinstance(value, str) or not value.startswith("env:"):
                continue
            variable = value.removeprefix("env:")
            if not environment.get(variable):
                raise SettingsError(
                    f"{section}.{name}.{member}: the environment variable {variable} is not set"
                )
            account[member] = environment[variable]


def _check_accounts(document: dict[str, Any], path: Path | None) -> None:
    """Check each account alone, for msgspec does not tell the key of a mapping."""
    for section, name, account in _accounts(document):
        try:
            msgspec.convert(account, ACCOUNTS[section], strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{path or 'environment'}: {section}.{name}: {error}") from error


def _check_subnets(name: str, subnets: list[str]) -> None:
    for subnet in subnets:
        try:
            ipaddress.ip_network(subnet)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error


def _check_senders(settings: Settings) -> None:
    """A sender belongs to one account of its channel, so that it tells which one to use."""
    _check_section("whatsapp", {n: [one.sender] for n, one in settings.whatsapp.items()}, "sender")
    _check_section("smpp", {n: one.senders for n, one in settings.smpp.items()}, "senders")


def _check_section(section: str, accounts: Mapping[str, list[str]], member: str) -> None:
    seen: dict[str, str] = {}
    for name, senders in accounts.items():
        if not name.replace("-", "").replace("_", "").isalnum():
            raise SettingsError(f"{section}.{name}: letters, digits, - and _ only")
        for sender in senders:
            if sender in seen:
                raise SettingsError(
                    f"{section}.{name}.{member}: {sender!r} is a sender of "
                    f"{section}.{seen[sender]} already"
                )
            seen[sender] = name
