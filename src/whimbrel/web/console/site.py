"""Puts the console's pages at their paths."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from whimbrel.domain.operator import Right
from whimbrel.web.console.guard import Guard, Page, page
from whimbrel.web.console.signing_in import SigningIn
from whimbrel.web.pages.words import phrase


def console_routes(guard: Guard, signing_in: SigningIn, pages: Iterable[Page]) -> list[BaseRoute]:
    """Return the routes of the console; what is below `/console` and nowhere is the guard's."""

    async def nowhere(request: Request) -> Response:
        return guard.problem(request, 404, phrase("There is no such page."))

    everything = page("/console/{path:path}", Right.SEE, GET=nowhere, POST=nowhere)
    guarded: list[Route] = [guard.route(one) for one in (*signing_in.pages(), *pages, everything)]
    return [*signing_in.open_routes(), *guarded]
