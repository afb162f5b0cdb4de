"""Logins: what Partners and operators may be called."""

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

    def __init__(self, rule: str, **values: object) -> None:
        super().__init__(rule.format(**values))
        self.rule = rule
        """The text before the values were put into it."""
        self.values = values


def check_form(login: str) -> None:
    """Refuse what cannot be a login at all. Raises `BadLogin`."""
    if not login or len(login) > LONGEST_LOGIN or not login.isprintable() or _NEVER & set(login):
        rule = "1 to {most} printable characters, without blanks and slashes"
        raise BadLogin(rule, most=LONGEST_LOGIN)


def check_login(login: str) -> None:
    """Refuse what cannot be the login of a new Partner. Raises `BadLogin`."""
    check_form(login)
    if login in RESERVED_LOGINS:
        rule = "/{login} is a path of the gateway, so that nobody can be called '{login}'"
        raise BadLogin(rule, login=login)
