"""Signing in and out. Beside preferences, the only pages of the console without a session."""

import hmac
import math
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from whimbrel.domain.operator import Right
from whimbrel.flow.operator_sessions import MustWait, OperatorSessions, WrongCredentials
from whimbrel.store.engine import StoreUnavailable
from whimbrel.web.bodies import ClientGone
from whimbrel.web.caller import CallerAddress
from whimbrel.web.console.guard import (
    CSRF_FIELD,
    SESSION_COOKIE,
    SIGN_IN_PATH,
    Page,
    csrf_token,
    operator_of,
    page,
)
from whimbrel.web.pages.forms import BadForm, Form, read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.security import is_from_elsewhere, is_https
from whimbrel.web.pages.words import phrase

_HOME = "/console"
_FORM_COOKIE = "whimbrel_form"
_FORM_SECONDS = 3_600
_SECRET_BYTES = 24


class SigningIn:
    """The sign-in page, and the button that signs out."""

    def __init__(self, sessions: OperatorSessions, pages: Pages, caller: CallerAddress) -> None:
        self._sessions = sessions
        self._pages = pages
        self._caller = caller

    def open_routes(self) -> list[Route]:
        """Return what somebody reaches who has not signed in."""
        return [
            Route(SIGN_IN_PATH, self.show, methods=["GET"]),
            Route(SIGN_IN_PATH, self.sign_in, methods=["POST"]),
        ]

    def pages(self) -> list[Page]:
        """Return what needs a session."""
        return [page("/console/sign-out", Right.SEE, POST=self.sign_out)]

    async def show(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, next_page=_inside(request.query_params.get("next", "")))

    async def sign_in(self, request: Request) -> Response:
        """Open a new session, and forget whatever one the browser had."""
        try:
            form = await read_form(request)
        except (BadForm, ClientGone):
            return self._form(request, status=400, error=phrase("The form could not be read."))
        if is_from_elsewhere(request) or not _is_ours(request, form):
            text = phrase("This form is not valid any more. Sign in once more.")
            return self._form(request, status=403, error=text)
        login, next_page = form.get("login", ""), _inside(form.get("next", ""))
        address = self._caller.of(request.scope)
        try:
            token = await self._sessions.sign_in(login, form.exact("password"), address)
        except WrongCredentials:
            text = phrase("This login and password do not belong together.")
            return self._form(request, status=401, error=text, login=login, next_page=next_page)
        except MustWait as wait:
            text = phrase("Too many failed attempts. Wait a moment, then try again.")
            answer = self._form(request, status=429, error=text, login=login, next_page=next_page)
            answer.headers["retry-after"] = str(math.ceil(wait.seconds))
            return answer
        except StoreUnavailable:
            text = phrase(
                "The store cannot be reached now; nothing was changed. Try again in a moment."
            )
            return self._form(request, status=503, error=text, login=login, next_page=next_page)
        answer = RedirectResponse(next_page or _HOME, status_code=303)
        secure = is_https(request)
        answer.set_cookie(
            SESSION_COOKIE, token, path="/", httponly=True, samesite="lax", secure=secure
        )
        answer.delete_cookie(_FORM_COOKIE, path=SIGN_IN_PATH)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Close the session."""
        address = self._caller.of(request.scope)
        token = request.cookies[SESSION_COOKIE]
        await self._sessions.sign_out(token, operator_of(request), address)
        answer = RedirectResponse(SIGN_IN_PATH, status_code=303)
        answer.delete_cookie(SESSION_COOKIE, path="/")
        return answer

    def _form(
        self,
        request: Request,
        *,
        status: int = 200,
        error: str = "",
        login: str = "",
        next_page: str = "",
    ) -> Response:
        """Show the form, which proves that it is ours by a cookie of this browser's."""
        secret = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(_SECRET_BYTES)
        request.state.csrf = csrf_token(secret)
        answer = self._pages.answer(
            request,
            "console/sign_in.html",
            status=status,
            error=error,
            login=login,
            next_page=next_page,
        )
        answer.set_cookie(
            _FORM_COOKIE,
            secret,
            max_age=_FORM_SECONDS,
            path=SIGN_IN_PATH,
            httponly=True,
            samesite="strict",
            secure=is_https(request),
        )
        return answer


def _is_ours(request: Request, form: Form) -> bool:
    secret = request.cookies.get(_FORM_COOKIE, "")
    wanted = csrf_token(secret)
    return bool(secret) and hmac.compare_digest(form.get(CSRF_FIELD, "").encode(), wanted.encode())


def _inside(wanted: str) -> str:
    """Return where to go after signing in, if it is a page of ours; else nothing."""
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and wanted.isprintable() and "\\" not in wanted
    # Browsers take `//host` for another host.
    return wanted if is_ours and wanted.startswith("/") and not wanted.startswith("//") else ""
