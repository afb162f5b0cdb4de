"""axe-core on a page (WCAG 2.2 A and AA, and what is good practice besides).

axe-core is npm's, one of the strangers; the page's Content-Security-Policy does not see it, since
the browser's debugger puts it there.
"""

import functools
import json
from typing import Any, Literal

from playwright.async_api import Page

from tests.support.strangers import strangers

Theme = Literal["light", "dark"]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_EVERY_RULE = {"type": "tag", "values": _TAGS}
_RULES_OF_COLOUR = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What another theme can break, where the first one has been looked at."""
_SHOWN_PLACES = 5
_UNTIL_STILL = """() => Promise.allSettled(
    document.getAnimations()
        .filter((one) => one.effect.getComputedTiming().endTime < Infinity)
        .map((one) => one.finished)
)"""
"""What is halfway from one colour to another has neither."""


async def check_accessibility(page: Page, *themes: Theme) -> None:
    """Raise `AssertionError` if axe-core finds a violation, in each theme that is given."""
    await page.wait_for_load_state()  # without its styles it has the browser's colours
    found, rules = [], _EVERY_RULE
    for theme in themes or (None,):
        if theme is not None:
            await page.emulate_media(color_scheme=theme)
        violations = await _violations(page, rules)
        rules = _RULES_OF_COLOUR
        found += [f"{_told(one)}{f' [{theme}]' if theme else ''}" for one in violations]
    assert not found, "\n".join([f"axe-core on {page.url}:", *found])


async def _violations(page: Page, rules: dict[str, Any]) -> list[dict[str, Any]]:
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(_source())
    await page.evaluate(_UNTIL_STILL)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    outcome = await page.evaluate(f"() => axe.run(document, {json.dumps(options)})")
    violations: list[dict[str, Any]] = outcome["violations"]
    return violations


@functools.cache
def _source() -> str:
    folder = strangers("axe-core").folder
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def _told(violation: dict[str, Any]) -> str:
    """Return one violation in words: the rule, and where and why the page breaks it."""
    nodes = violation["nodes"]
    lines = [f"- {violation['id']} ({violation['impact']}): {violation['help']}"]
    for node in nodes[:_SHOWN_PLACES]:
        reasons = " ".join(node["failureSummary"].split())
        lines.append(f"    {' '.join(map(str, node['target']))}: {reasons}\n      {node['html']}")
    if len(nodes) > _SHOWN_PLACES:
        lines.append(f"    and {len(nodes) - _SHOWN_PLACES} more places")
    return "\n".join(lines)
