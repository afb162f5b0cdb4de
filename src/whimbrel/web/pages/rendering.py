"""Renders a page: a template of `templates/`, in the visitor's language, theme and zone.

Everything that is put in is escaped. A template finds, beside what its page gives it: `_` (texts),
`moment`, `exactly` and `span` (times), `asset` (addresses of files), `operator` (None where nobody
has signed in), `csrf`, `here` (the path), `language`, `theme`, `zone`, and `now`.
"""

from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from whimbrel import __version__
from whimbrel.clock import Clock
from whimbrel.domain.operator import ROLE_NAMES, Right
from whimbrel.settings import ConsoleSettings
from whimbrel.web.pages.assets import Assets
from whimbrel.web.pages.moments import moment, span
from whimbrel.web.pages.preferences import THEMES, preferences_of, zones
from whimbrel.web.pages.words import LANGUAGES, Translator, read_words


class Pages:
    """Renders every page of a process."""

    def __init__(self, clock: Clock, settings: ConsoleSettings) -> None:
        self.assets = Assets()
        self._clock = clock
        self._translators = {
            language: Translator(language, words) for language, words in read_words().items()
        }
        self._environment = Environment(
            loader=PackageLoader("whimbrel.web.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "asset": self.assets.url,
            "version": __version__,
            "languages": LANGUAGES,
            "themes": THEMES,
            "has_generator": settings.generator != "off",
            "generator_is_public": settings.generator == "public",
            "has_reference": settings.api_reference,
            "Right": Right,
            "role_names": ROLE_NAMES,
        }

    def answer(
        self, request: Request, template: str, *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Answer with a page."""
        return HTMLResponse(self.text(request, template, **values), status)

    def text(self, request: Request, template: str, **values: Any) -> str:
        """Return a page, or a part of one."""
        chosen = preferences_of(request)
        say = self._translators[chosen.language]
        return self._environment.get_template(template).render(
            _=say,
            moment=partial(moment, tz=chosen.tz),
            exactly=partial(moment, tz=chosen.tz, exact=True),
            span=partial(span, say=say),
            language=chosen.language,
            theme=chosen.theme,
            zone=chosen.zone,
            zones=zones,
            now=self._clock.now(),
            here=request.url.path,
            address=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            operator=getattr(request.state, "operator", None),
            csrf=getattr(request.state, "csrf", ""),
            **values,
        )

    def say(self, request: Request) -> Translator:
        """Return the translator of a request's language."""
        return self._translators[preferences_of(request).language]
