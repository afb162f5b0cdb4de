"""Every setting that there is, by section: its form, its default and what it means.

`docs/settings.md` is generated from this module.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct, field


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

    path: Annotated[str, Meta(description="The SQLite file, where no `url` is.", min_length=1)] = (
        "whimbrel.db"
    )
    url: Annotated[
        str,
        Meta(
            description="A PostgreSQL database, `postgresql://user:password@host/name`; it may "
            "name several hosts and `target_session_attrs=read-write`. Secret if it holds a "
            "password. "
            "Empty: SQLite.",
            pattern="^(postgres(ql)?://.+)?$",
        ),
    ] = ""
    pool_size: Annotated[
        int,
        Meta(description="Connections to PostgreSQL that one process may have.", ge=3, le=100),
    ] = 10
    statement_timeout_seconds: Annotated[
        float,
        Meta(
            description="How long PostgreSQL may work on one statement, and how long a transaction "
            "may stay idle. Ours take milliseconds: what takes so long is a fault, and would keep "
            "others waiting.",
            ge=1,
            le=600,
        ),
    ] = 15.0
    lock_timeout_seconds: Annotated[
        float,
        Meta(
            description="How long a statement may wait for rows that another process holds; then "
            "the Partner is asked to come again, and the gateway tries again.",
            ge=0.1,
            le=600,
        ),
    ] = 5.0
    pgbouncer: Annotated[
        bool,
        Meta(
            description="The URL is that of PgBouncer in transaction mode: no prepared statements "
            "and no settings of a session are used."
        ),
    ] = False


Role = Literal["api", "dispatch", "reports", "smpp"]
ROLES: tuple[Role, ...] = get_args(Role)


class ClusterSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """This process among others on the same PostgreSQL database."""

    name: Annotated[
        str, Meta(description="What operators call this node; empty: the machine's name.")
    ] = ""
    watch_port: Annotated[
        int,
        Meta(
            description="Where the first of several workers answers `/healthz`, `/readyz` and "
            "`/metrics` for itself; each further one has the next port. 0: nowhere; on the shared "
            "port, one of them answers.",
            ge=0,
            le=65472,
        ),
    ] = 0
    roles: Annotated[
        list[Role],
        Meta(
            description="What this node does: `api` takes requests, webhooks and visits of short "
            "URLs; `dispatch` submits to WhatsApp and minds lifetimes; `smpp` binds to SMSCs and "
            "submits SMS; `reports` delivers reports. Every role must be some node's.",
            min_length=1,
        ),
    ] = field(default_factory=lambda: list(ROLES))


class ConsoleSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """The console for operators, the request generator and the API reference."""

    enabled: Annotated[
        bool,
        Meta(description="Serve `/console`, where operators sign in. Needs the role `api`."),
    ] = True
    host: Annotated[
        str, Meta(description="Address of the console's own port; empty: `server.host`.")
    ] = ""
    port: Annotated[
        int,
        Meta(
            description="The console's own port; then it is not on the Partners' port. "
            "0: it shares `server.port`.",
            ge=0,
            le=65535,
        ),
    ] = 0
    generator: Annotated[
        Literal["off", "operators", "public"],
        Meta(
            description="Who sees the request generator, `/generator`: nobody, operators who have "
            "signed in, or everybody who reaches the Partners' port."
        ),
    ] = "operators"
    api_reference: Annotated[
        bool, Meta(description="Serve the API reference, `/docs`, to everybody.")
    ] = True
    session_idle_minutes: Annotated[
        float, Meta(description="After so long without a request an operator is signed out.", gt=0)
    ] = 120.0
    session_hours: Annotated[
        float, Meta(description="After so long an operator signs in again in any case.", gt=0)
    ] = 12.0


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
            "its number, before it goes again or fails, as its Partner's `unanswered` says.",
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


class RetentionSettings(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is removed because of its age, beside what Partners' profiles say of their own."""

    inbound_days: Annotated[
        int,
        Meta(
            description="After so many days what a subscriber wrote (MO) is removed; 0: never.",
            ge=0,
        ),
    ] = 0


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
    nodes: Annotated[
        int,
        Meta(
            description="How many nodes may send from this number at once. They share its "
            "throughput evenly; each keeps the limit for one subscriber by itself.",
            ge=1,
            le=64,
        ),
    ] = 1
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
    binds: Annotated[
        int,
        Meta(
            description="How many nodes may be bound to this account at once; they share its "
            "throughput evenly.",
            ge=1,
            le=64,
        ),
    ] = 1
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
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    dispatch: DispatchSettings = field(default_factory=DispatchSettings)
    reports: ReportsSettings = field(default_factory=ReportsSettings)
    short_urls: ShortUrlSettings = field(default_factory=ShortUrlSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
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
