"""Stands before every page of the console: who is signed in, what he may, and that he meant it.

A request that changes something must bear the session's own token, in a field of its form or in a
header, which no other site can know (OWASP, Cross-Site Request Forgery Prevention); and it must not
come from a page of another site at all.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import quote

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whimbrel.clock import Clock
from whimbrel.domain.operator import Operator, Right
from whimbrel.flow.operator_sessions import OperatorSessions
from whimbrel.store.audit import AuditEntry
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.bodies import ClientGone
from whimbrel.web.caller import CallerAddress
from whimbrel.web.pages.forms import BadForm, read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.security import changes_something, is_from_elsewhere
from whimbrel.web.pages.words import phrase

_log = structlog.get_logger(__name__)
SESSION_COOKIE = "whimbrel_session"
SIGN_IN_PATH = "/console/sign-in"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_METHODS = frozenset({"GET", "POST"})

Handler = Callable[[Request], Awaitable[Response]]


class Page(NamedTuple):
    """A path, what an operator must be allowed to in order to go there, and who answers."""

    path: str
    right: Right
    handlers: dict[str, Handler]


def page(path: str, right: Right, **handlers: Handler) -> Page:
    """Return a page of the console. `handlers` are named GET and POST."""
    if not handlers or not _METHODS.issuperset(handlers):
        raise ValueError(f"{path}: a page has handlers for GET and POST")
    return Page(path, right, handlers)


def operator_of(request: Request) -> Operator:
    """Return who is signed in; the guard has seen to it that somebody is."""
    operator: Operator = request.state.operator
    return operator


def csrf_token(secret: str) -> str:
    """Return the token that proves that a form is one of ours, from a secret of the visitor's."""
    return hashlib.blake2b(b"csrf", key=secret.encode()[:64], digest_size=24).hexdigest()


class Guard:
    """Turns pages into routes that only those reach who may."""

    def __init__(
        self, sessions: OperatorSessions, pages: Pages, caller: CallerAddress, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._pages = pages
        self._caller = caller
        self._clock = clock

    def route(self, page: Page) -> Route:
        """Return the route of a page."""

        async def endpoint(request: Request) -> Response:
            return await self.answer(page, request)

        return Route(page.path, endpoint, methods=sorted(page.handlers))

    async def answer(self, page: Page, request: Request) -> Response:
        """Let a request through, or say why not."""
        try:
            refusal = await self._refusal(page, request)
            if refusal is not None:
                return refusal
            method = "GET" if request.method == "HEAD" else request.method
            return await page.handlers[method](request)
        except BadForm as error:
            return self.problem(request, 400, phrase("The form could not be read."), str(error))
        except ClientGone:
            return Response(status_code=400)
        except StoreUnavailable as error:
            text = phrase(
                "The store cannot be reached now; nothing was changed. Try again in a moment."
            )
            return self.problem(request, 503, text, str(error))
        except Exception:  # noqa: BLE001 - the operator gets an answer, the log the details
            _log.exception("page_failed", path=page.path)
            text = phrase("Something unforeseen happened. The gateway's log has the details.")
            return self.problem(request, 500, text)

    def problem(self, request: Request, status: int, text: str, details: str = "") -> Response:
        """Answer that something is wrong; `text` is one of the catalogue's, `details` is not."""
        return self._pages.answer(
            request, "console/problem.html", status=status, text=text, details=details
        )

    def deed(self, request: Request, action: str, subject: str, **details: object) -> AuditEntry:
        """Return the audit log's entry for what the operator does with this request."""
        who, address = operator_of(request).login, self.address_of(request)
        return AuditEntry(self._clock.now(), who, address, action, subject, details)

    def address_of(self, request: Request) -> str:
        """Return where a request comes from."""
        return self._caller.of(request.scope)

    async def is_still_signed_in(self, request: Request) -> bool:
        """Tell whether the request's session is open still: a live stream outlives its start."""
        return await self._sessions.is_open(request.cookies.get(SESSION_COOKIE, ""))

    async def recognise(self, request: Request) -> Operator | None:
        """Note who is signed in, if anybody is: for pages that are for everybody too."""
        token = request.cookies.get(SESSION_COOKIE, "")
        operator = await self._sessions.find(token) if token else None
        if operator is not None:
            request.state.operator = operator
            request.state.csrf = csrf_token(token)
        return operator

    async def _refusal(self, page: Page, request: Request) -> Response | None:
        operator = await self.recognise(request)
        if operator is None:
            return self._ask_to_sign_in(request)
        if changes_something(request) and not await self._is_meant(request):
            text = phrase(
                "This form is not valid any more. Open the page again and repeat what you did."
            )
            return self.problem(request, 403, text)
        if not operator.may(page.right):
            return self.problem(request, 403, phrase("Your role does not allow this."))
        return None

    async def _is_meant(self, request: Request) -> bool:
        if is_from_elsewhere(request):
            return False
        sent = request.headers.get(CSRF_HEADER) or (await read_form(request)).get(CSRF_FIELD, "")
        return hmac.compare_digest(sent.encode(), request.state.csrf.encode())

    def _ask_to_sign_in(self, request: Request) -> Response:
        """Lead to the sign-in page and back; what was POSTed cannot be repeated for anybody."""
        looks = request.method in {"GET", "HEAD"}
        wanted = request.url.path if looks else "/console"
        query = f"?{request.url.query}" if request.url.query and looks else ""
        where = f"{SIGN_IN_PATH}?next={quote(wanted + query, safe='/')}"
        if request.headers.get("hx-request") == "true":  # htmx would put the page into a corner
            return Response(status_code=401, headers={"hx-redirect": where})
        return RedirectResponse(where, status_code=303)
