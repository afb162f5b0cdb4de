"""How the sandbox answers in JSON, on Meta's wire and on its own."""

import msgspec
from starlette.responses import Response


def json_answer(document: object, *, status: int = 200) -> Response:
    """Answer with a document."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")
