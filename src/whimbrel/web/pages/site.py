"""The site of the pages for people: the files that they load, preferences, and what is on it."""

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from whimbrel.web.bodies import ClientGone
from whimbrel.web.pages.assets import PATH, Assets
from whimbrel.web.pages.forms import BadForm, read_form
from whimbrel.web.pages.preferences import COOKIES, keep_preferences
from whimbrel.web.pages.security import is_from_elsewhere, is_https, secured

PAGE_PATHS = ("/console", "/generator", "/docs", "/assets", "/preferences")
"""What the pages for people are below; nothing of the Partners' protocol is there."""


def is_page(path: str) -> bool:
    """Tell whether a path is one of the pages for people."""
    return path.startswith(PAGE_PATHS) and f"/{path.split('/', 2)[1]}" in PAGE_PATHS


def create_page_site(assets: Assets, routes: Iterable[BaseRoute]) -> ASGIApp:
    """Return the site of some pages."""
    shared = [
        Route(f"{PATH}/{{edition}}/{{name:path}}", assets.answer, methods=["GET"]),
        Route("/preferences", _choose, methods=["POST"]),
    ]
    return secured(Router(routes=[*shared, *routes], redirect_slashes=False))


async def _choose(request: Request) -> Response:
    """Keep what a visitor has chosen, and lead him back to where he was."""
    try:
        form = await read_form(request)
    except (BadForm, ClientGone) as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    if is_from_elsewhere(request):
        return Response("This form is of another site.\n", 403, media_type="text/plain")
    wanted = form.get("next", "")
    is_ours = is_page(wanted) and "\\" not in wanted and wanted.isprintable()
    answer = RedirectResponse(wanted if is_ours else "/console", status_code=303)
    chosen = {name: form[name] for name in COOKIES if form.get(name)}
    try:
        keep_preferences(answer, chosen, secure=is_https(request))
    except ValueError as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    return answer
