"""Logins: what a Partner may be called."""

LONGEST_LOGIN = 64
RESERVED_LOGINS = frozenset(
    {
        *("send", "check"),
        *("console", "generator", "docs", "assets", "preferences"),
        *("healthz", "readyz", "metrics", "hooks", "openapi.json"),
    }
)
"""The first segments of the gateway's own paths: clients post to `/<login>`, and would meet
something else there."""
_NEVER = frozenset("/ ")


class BadLogin(ValueError):
    """A login that cannot be given; the text tells the rule."""


def check_login(login: str) -> None:
    """Refuse what cannot be the login of a new Partner. Raises `BadLogin`."""
    if not login or len(login) > LONGEST_LOGIN or not login.isprintable() or _NEVER & set(login):
        raise BadLogin(f"1 to {LONGEST_LOGIN} printable characters, without blanks and slashes")
    if login in RESERVED_LOGINS:
        raise BadLogin(f"/{login} is a path of the gateway, so that nobody can be called {login!r}")
