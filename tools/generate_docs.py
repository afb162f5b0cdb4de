"""Writes what the documentation takes from the code: the settings, the states and the errors.

python -m tools.generate_docs          # write
python -m tools.generate_docs --check  # fail if what is there is not what would be written
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from whimbrel.domain.status import MOVES, LinkState
from whimbrel.settings import ACCOUNTS, ENVIRONMENT_PREFIX, Settings
from whimbrel.web.answers import ERROR_FORMS

ROOT = Path(__file__).parent.parent
_BEGIN, _END = "<!-- generated: {} -->", "<!-- end of generated -->"


def main() -> None:
    """Write or check every generated part."""
    check = "--check" in sys.argv[1:]
    wanted = {
        ROOT / "docs" / "settings.md": settings_page(),
        ROOT / "ARCHITECTURE.md": _filled(ROOT / "ARCHITECTURE.md", "states", state_diagram()),
        ROOT / "README.md": _filled(ROOT / "README.md", "errors", error_table()),
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        sys.exit(f"not what the code says: {names}; run `make docs`")
    for path in stale:
        path.write_text(wanted[path])


def settings_page() -> str:
    """Return the reference of all settings."""
    lines = [
        "# Settings",
        "",
        "Generated from `src/whimbrel/settings/sections.py` by `make docs`.",
        "",
        "A setting is taken from the default, then the TOML file (`--config`, `WHIMBREL_CONFIG`",
        "or `./whimbrel.toml`), then the environment, in variables such as",
        f"`{ENVIRONMENT_PREFIX}<SECTION>_<NAME>=value`; lists are separated by commas. Secrets are",
        'written as `"env:NAME"` in the file and taken from the variable that they name.',
    ]
    for section in msgspec.structs.fields(Settings):
        if section.name in ACCOUNTS:
            lines += _section(f"[{section.name}.NAME]", ACCOUNTS[section.name])
        else:
            lines += _section(f"[{section.name}]", section.type)
    return "\n".join(lines) + "\n"


def _section(title: str, struct: type[Struct]) -> Iterator[str]:
    yield from ("", f"## {title}", "", str(struct.__doc__), "")
    yield from ("| setting | default | meaning |", "|---|---|---|")
    for member in msgspec.structs.fields(struct):
        yield f"| `{member.name}` | {_default(member)} | {_description(member)} |"


def _default(member: FieldInfo) -> str:
    if member.default is not msgspec.NODEFAULT:
        return f"`{msgspec.json.encode(member.default).decode()}`"
    if member.required:
        return "required"
    return "`{}`" if member.default_factory is dict else "`[]`"


def _description(member: FieldInfo) -> str:
    metas: list[Any] = [arg for arg in get_args(member.type) if isinstance(arg, msgspec.Meta)]
    if not metas:
        metas = list(getattr(member.type, "__metadata__", ()))
    return str(metas[0].description)


def state_diagram() -> str:
    """Return the states of a link and the moves between them, as a Mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {first.name}" for first in (LinkState.QUEUED, LinkState.HELD)]
    for state, moves in MOVES.items():
        lines += [f"    {state.name} --> {move.name}" for move in sorted(moves)]
    lines += [f"    {state.name} --> [*]" for state, moves in MOVES.items() if not moves]
    return "\n".join([*lines, "```"])


def error_table() -> str:
    """Return the error codes of the Partners' API."""
    lines = ["| code | HTTP | description |", "|---|---|---|"]
    for code, form in ERROR_FORMS.items():
        lines.append(f"| {int(code)} | {form.http_status} | {form.description} |")
    return "\n".join(lines)


def _filled(path: Path, name: str, text: str) -> str:
    """Return a page with its generated part replaced."""
    page = path.read_text()
    begin = _BEGIN.format(name)
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(_END)
    return f"{head}{begin}\n{text}\n{_END}{tail}"


if __name__ == "__main__":
    main()
