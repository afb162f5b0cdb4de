"""The generator's scripts: their pure parts by node's own test runner, their snippets for real.

Each snippet runs in the interpreter that it is for and sends to a real gateway, with texts that are
hard to quote and a password that is.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import whimbrel
from tests.support.gateway import SENDER, RunningGateway, a_profile, an_account
from tests.support.strangers import do_without
from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Partner
from whimbrel.domain.password import hash_password
from whimbrel.settings import Settings, SmppAccount
from whimbrel.store.history import tell_stories
from whimbrel.store.partners import PartnerChange, add_partners

MODULES = Path(whimbrel.__file__).parent / "web/pages/assets/js/generator"
TESTS = Path(__file__).parent / "generator"
PASSWORD = "p\"a\\s's $w`o%d"
LOGIN = "o'neill\\$HOME"
AWKWARD = [
    "Привет 👟 — «ёлка» €",
    "'single' \"double\" `back` '''three''' \"\"\"three\"\"\"",
    "back\\slash \\n \\u0041 \\\\ at the end \\",
    "$HOME ${HOME} $(id) `id` %s %d {0} #{x} <?php ?> */ // #",
    "</script><script>alert(1)</script><!-- --> &amp;",
    "lines\nand\r\nmore\ttabs \u0001\u007f\u2028\u2029\u0085",
    '"',
    "'",
    "\\",
    " blanks around \u00a0",
]
FILES = {
    "curl": "send.sh",
    "python": "send.py",
    "php": "send.php",
    "javascript": "send.mjs",
    "java": "Send.java",
}
_LOCALE = "C"  # the poorest: nobody is told that files are in UTF-8
_TOLERATED = 60.0  # seconds; a compiler on a busy machine


@pytest.fixture(scope="module")
def settings() -> Settings:
    smsc = SmppAccount(senders=[SENDER], host="127.0.0.1", port=9, system_id="x", password="y")
    return Settings(whatsapp={"main": an_account()}, smpp={"main": smsc})


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts where node takes them for ES modules, as browsers do."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(MODULES, folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def node() -> str:
    found = shutil.which("node")
    return found or do_without("the generator's scripts", "node is not installed")


async def run(
    *command: str | Path, stdin: str = "", folder: Path | None = None, **environment: str
) -> str:
    """Run a command to its end; return what it wrote. It must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(_TOLERATED):
        told, _ = await process.communicate(stdin.encode())
    assert process.returncode == 0, told.decode()
    return told.decode()


async def test_the_pure_modules(modules: Path) -> None:
    files = sorted(TESTS.glob("*.test.mjs"))
    assert files
    told = await run(node(), "--test", *files, GENERATOR_MODULES=str(modules))
    assert int(re.search(r"# pass (\d+)", told)[1]) > 30
    assert "# fail 0" in told


# -- Snippets


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def partner(shop: RunningGateway) -> AsyncIterator[None]:
    profile = a_profile(message_types=list(Channel), cascades=True)
    whole = Partner(0, LOGIN, hash_password(PASSWORD), False, profile)
    await shop.store.write(add_partners, PartnerChange(whole, shop.gateway._clock.now()))
    await shop.gateway._partners.refresh()
    yield


def a_cascade(texts: list[str]) -> dict[str, Any]:
    """Return a request whose messages have these texts."""
    content = {"type": "TEXT", "data": {"text": texts[0]}}
    chain: dict[str, Any] | None = None
    for text in reversed(texts[1:]):
        link = {"state": "READ", "message": {"type": "SMS", "data": {"text": text, "ttl": 10}}}
        chain = link if chain is None else {**link, "nextLink": chain}
    return {
        "login": LOGIN,
        "password": PASSWORD,
        "useTimeDiff": True,
        "shortenLinks": False,
        "id": 'it\'s "one"',
        "destAddr": "79161234567",
        "message": {"type": "WHATSAPP", "data": {"instantContent": content, "ttl": 30}},
        "registeredDelivery": 0,
        "cascadeChainLink": chain,
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def snippets(shop: RunningGateway, modules: Path) -> Mapping[str, str]:
    asked = json.dumps({"request": a_cascade(AWKWARD), "url": f"{shop.url}/send"})
    script = TESTS / "print_snippets.mjs"
    told = await run(node(), script, stdin=asked, GENERATOR_MODULES=str(modules))
    written: dict[str, str] = json.loads(told)
    return written


def command_of(language: str) -> list[str]:
    """Return what runs a language's files. Skips where nothing does."""
    names = {"curl": "sh", "python": sys.executable, "javascript": "node"}
    needed = {"curl": ["sh", "curl", "sed"], "java": ["java", "javac"]}
    command = names.get(language, language)
    missing = [one for one in needed.get(language, [command]) if shutil.which(one) is None]
    if missing:
        pytest.skip(f"the snippet for {language} was NOT run: {', '.join(missing)} is missing")
    return [command]


@pytest.mark.usefixtures("partner")
@pytest.mark.parametrize("language", FILES)
async def test_a_snippet_sends_what_was_written(
    shop: RunningGateway,
    snippets: Mapping[str, str],
    tmp_path: Path,
    language: str,
) -> None:
    command = command_of(language)
    assert PASSWORD not in snippets[language]
    file = tmp_path / FILES[language]
    file.write_text(snippets[language], encoding="utf-8")
    told = await run(*command, file, folder=tmp_path, WHIMBREL_PASSWORD=PASSWORD, LC_ALL=_LOCALE)
    story = await shop.store.read(tell_stories, int(re.search(r"\d{10,}", told)[0]))
    assert [link["text"] for link in story.links] == AWKWARD
    assert story.chain["partner_ref"] == 'it\'s "one"'
    assert story.chain["registered_delivery"] == 0
