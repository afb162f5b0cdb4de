"""An operator at the console, over real HTTP: signs in, opens pages, sends forms."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from html import unescape
from typing import NamedTuple

import aiohttp

from tests.support.gateway import RunningGateway
from tests.support.passwords import quick_hash
from whimbrel.clock import SystemClock
from whimbrel.domain.operator import Operator, Role
from whimbrel.store.audit import Audited, AuditEntry
from whimbrel.store.engine import Store
from whimbrel.store.operators import add_operators

PASSWORD = "operator-password"
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Shown(NamedTuple):
    """An answer, as a browser would show it (redirects are not followed)."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def words(self) -> str:
        """The text without its tags."""
        return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.text)))


class ConsoleClient:
    """One browser."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def get(self, path: str, **headers: str) -> Shown:
        """Open a page."""
        async with self.session.get(
            self.url + path, allow_redirects=False, headers=headers
        ) as answer:
            return Shown(answer.status, await answer.text(), answer.headers)

    async def post(
        self,
        path: str,
        *,
        on: str | None = None,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: str | list[str],
    ) -> Shown:
        """Send a form that is on the page `on` (else on `path`), with that page's token."""
        if csrf is None:
            csrf = await self.csrf(on or path)
        pairs = [
            (name, one)
            for name, value in fields.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        data = aiohttp.FormData([("csrf", csrf), *pairs])
        async with self.session.post(
            self.url + path, data=data, allow_redirects=False, headers=headers
        ) as answer:
            return Shown(answer.status, await answer.text(), answer.headers)

    async def csrf(self, path: str) -> str:
        """Return the token that a page's forms bear."""
        shown = await self.get(path)
        found = _CSRF.search(shown.text)
        assert found, f"{path} ({shown.status}) has no form: {shown.words[:300]}"
        return found[1]

    async def sign_in(self, login: str, password: str = PASSWORD) -> Shown:
        """Sign in; the session's cookie stays with this browser."""
        return await self.post("/console/sign-in", login=login, password=password)


async def an_operator(
    store: Store, login: str = "ann", role: Role = Role.ADMIN, *, sees_texts: bool = True
) -> Operator:
    """Write an operator whose password is `PASSWORD`."""
    operator = Operator(
        0, login, quick_hash(PASSWORD), role, sees_texts, False, SystemClock().now()
    )
    entry = AuditEntry(SystemClock().now(), "test", "-", "operator.add", login)
    await store.write(add_operators, Audited(operator, entry))
    return operator


@contextlib.asynccontextmanager
async def a_browser(url: str) -> AsyncIterator[ConsoleClient]:
    """Open a browser of its own, in English, that nobody has signed in with."""
    jar = aiohttp.CookieJar(unsafe=True)  # 127.0.0.1 is no name
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"accept-language": "en"}) as session:
        yield ConsoleClient(url, session)


@contextlib.asynccontextmanager
async def signed_in(
    running: RunningGateway, role: Role = Role.ADMIN, *, sees_texts: bool = True
) -> AsyncIterator[ConsoleClient]:
    """Open a browser with which an operator of a role has signed in; his login is the role's."""
    await an_operator(running.store, role.value, role, sees_texts=sees_texts)
    async with a_browser(running.url) as browser:
        shown = await browser.sign_in(role.value)
        assert shown.status == 303, shown.words
        yield browser
