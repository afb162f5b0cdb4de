"""What a form sends: `application/x-www-form-urlencoded`, small, each field once or more often."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from whimbrel.web.bodies import BodyTooLong, read_whole

_LIMIT = 256 * 1_024
_MOST_FIELDS = 1_000


class BadForm(Exception):
    """A body that is no form, or too long; the text says which."""


class Form(Mapping[str, str]):
    """A form's fields by name, without the blanks around them; `all` has those sent repeatedly."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[name][-1].strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def all(self, name: str) -> list[str]:
        """Return every value of a field, without the empty ones."""
        return [value.strip() for value in self._values.get(name, []) if value.strip()]

    def exact(self, name: str) -> str:
        """Return a field as it was typed; empty if it was not sent. For passwords and texts."""
        return self._values.get(name, [""])[-1]


async def read_form(request: Request) -> Form:
    """Read a request's form, once or again. Raises `BadForm`, `ClientGone`."""
    known: Form | None = getattr(request.state, "form", None)
    if known is not None:
        return known
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise BadForm("a form is sent as application/x-www-form-urlencoded")
    try:
        body = await read_whole(request.receive, _LIMIT)
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except BodyTooLong:
        raise BadForm(f"a form has at most {_LIMIT} bytes") from None
    except ValueError:
        raise BadForm(f"a form is in UTF-8 and has at most {_MOST_FIELDS} fields") from None
    form = Form(pairs)
    request.state.form = form
    return form
