"""Pictures of pages, for the documentation: taken where `WHIMBREL_SCREENSHOTS` names a folder.

They have 256 colours, which nobody misses on a page and which leaves a third of their size.
"""

import io
import os
from pathlib import Path

from PIL import Image
from playwright.async_api import Page

_FOLDER = "WHIMBREL_SCREENSHOTS"


async def screenshot(page: Page, name: str, *, whole: bool = False) -> None:
    """Write what the page shows to `name`.png in the folder if there is one; `whole`: all of it."""
    folder = os.environ.get(_FOLDER)
    if folder:
        shown = await page.screenshot(
            full_page=whole, animations="disabled", caret="hide", scale="css"
        )
        _write(Path(folder) / f"{name}.png", shown)


def _write(path: Path, png: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(
            256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
        )
    small.save(path, optimize=True)
