"""Pictures of pages, for the documentation: taken where `WHIMBREL_SCREENSHOTS` names a folder."""

import os
from pathlib import Path

from playwright.async_api import Page

_FOLDER = "WHIMBREL_SCREENSHOTS"


async def screenshot(page: Page, name: str, *, whole: bool = False) -> None:
    """Write what the page shows to `name`.png in the folder if there is one; `whole`: all of it."""
    folder = os.environ.get(_FOLDER)
    if folder:
        await page.screenshot(
            path=Path(folder) / f"{name}.png",
            full_page=whole,
            animations="disabled",
            caret="hide",
            scale="css",
        )
