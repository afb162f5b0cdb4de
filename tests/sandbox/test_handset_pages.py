"""The pages: what they show, in which language, and that texts from the wire stay texts."""

import re
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from tests.support.esme import Esme

from whimbrel.sandbox.handset.screen import runs
from whimbrel.sandbox.handset.words_ru import RUSSIAN
from whimbrel.sandbox.scripts import SCRIPTS
from whimbrel.sandbox.smsc.scripts import SMS_SCRIPTS

PHONE = "79161234567"
PAGE = f"/handset/{PHONE}"
SANDBOX = Path(__file__).parents[2] / "src" / "whimbrel" / "sandbox"


class Elements(HTMLParser):
    """Every element of a page: its name and attributes."""

    def __init__(self, page):
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.all if name == tag]


async def page_of(sandbox, path=PAGE, **headers):
    answer = await sandbox.ask("GET", path, headers={"Accept-Language": "en"} | headers)
    assert answer.http == 200, answer.body
    return answer.body


async def form(sandbox, path, *, script=False, **fields):
    headers = {"Accept": "application/json"} if script else {}
    return await sandbox.ask(
        "POST", PAGE + path, data=fields, headers=headers, allow_redirects=False
    )


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{ 191 * 7 }} {% raw %}",
    "javascript:alert(1) data:text/html,<b>x</b> vbscript:x",
    "https://example.com/\"onmouseover='alert(1)'",
    "</p></article><form action=https://evil.example>",
    "&lt;script&gt; \x00 \u202e",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_texts_from_the_wire_are_texts(both, text):
    quiet = Elements(await page_of(both))
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        await both.text(f"+{PHONE}", body=text)
        await esme.submit(PHONE, text.encode("utf-16-be"), data_coding=8)
        await both.ask("POST", "/sandbox/inbound", json={"from": PHONE, "text": text})
        pages = [await page_of(both), await page_of(both, "/")]

    for page in pages:
        elements = Elements(page)
        for name, attributes in elements.all:
            assert not [one for one in attributes if one.startswith("on")], (name, attributes)
            assert re.match("https?://|/|#|[?]|$", attributes.get("href") or ""), attributes
        assert len(elements.named("form")) <= len(quiet.named("form")) + 1
        assert {one.get("src") for one in elements.named("script")} <= {
            "/handset/assets/js/phone.js",
            "/handset/assets/js/home.js",
        }
        assert not re.search(r"<script>|<svg onload|<img src=x|\b1337\b", page)
    assert "<article" in pages[0]


async def test_names_from_the_wire_are_texts_too(sandbox):
    evil = '"><script>alert(1)</script>'
    link = 'https://x.example/"onerror="alert(1)'
    parameter = {"type": "text", "text": evil, "parameter_name": evil}
    template = {
        "name": "t",
        "language": {"code": "ru"},
        "components": [
            {"type": "body", "parameters": [parameter]},
            {"type": "button", "sub_type": evil, "index": "0", "parameters": [parameter]},
        ],
    }
    for kind, content in (("image", {"link": link, "caption": evil}), ("template", template)):
        answer = await sandbox.post(
            {"messaging_product": "whatsapp", "to": f"+{PHONE}", "type": kind, kind: content}
        )
        assert answer.http == 200

    elements = Elements(await page_of(sandbox))

    assert [one["src"] for one in elements.named("img") if "http" in one["src"]] == [link]
    assert len(elements.named("script")) == 1
    assert not [a for _, a in elements.all if any(name.startswith("on") for name in a)]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("See https://a.example/x?y=1, please.", ["https://a.example/x?y=1"]),
        ("(http://a.example/) HTTPS://B.EXAMPLE!", ["http://a.example/", "HTTPS://B.EXAMPLE"]),
        ("«https://пример.рф/путь»", ["https://пример.рф/путь"]),
        ("javascript:alert(1) ftp://a.example mailto:a@b.example www.a.example", []),
        ("https:// http://. javascript:https://a.example", ["https://a.example"]),
        ("", []),
        ("http://a" * 2, ["http://ahttp://a"]),
    ],
)
def test_only_urls_of_http_and_https_can_be_tapped(text, urls):
    found = list(runs(text))

    assert [one.text for one in found if one.is_url] == urls
    assert "".join(one.text for one in found) == text


async def test_links_open_apart_and_tell_nothing(sandbox):
    await sandbox.text(f"+{PHONE}", body="Look: https://a.example/x")

    [link] = [
        one
        for one in Elements(await page_of(sandbox)).named("a")
        if one["href"] == "https://a.example/x"
    ]

    assert link["target"] == "_blank"
    assert link["rel"] == "noopener noreferrer"


@pytest.mark.parametrize("path", ["/", "/handset", PAGE, "/handset/12"])
async def test_every_page_is_strict(sandbox, path):
    async with sandbox.http.get(sandbox.url + path) as answer:
        headers, page = answer.headers, await answer.text()

    directives = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["img-src"] == "'self' http: https: data:"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    for name, attributes in Elements(page).all:
        assert "style" not in attributes, name
    assert not re.search(r"<script[^>]*>[^<]", page)


async def test_every_asset_that_a_page_names_is_there(sandbox):
    named = set()
    for path in ("/", PAGE):
        named |= set(re.findall(r'"(/handset/assets/[^"]+)"', await page_of(sandbox, path)))
    assert len(named) >= 6
    for path in sorted(named):
        async with sandbox.http.get(sandbox.url + path) as answer:
            text = await answer.text()
            assert answer.status == 200, path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if path.endswith(".js"):
            for other in re.findall(r'from "\./([a-z]+\.js)"', text):
                assert (await sandbox.ask("GET", f"/handset/assets/js/{other}")).http == 200


async def test_the_number_may_be_written_as_people_write_it(sandbox):
    async def opened(written):
        async with sandbox.http.get(
            f"{sandbox.url}/handset", params={"phone": written}, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers.get("Location"), await answer.text()

    assert (await opened("+7 (916) 123-45-67"))[:2] == (303, PAGE)
    status, _, page = await opened('12"><script>')
    assert status == 400
    assert "a phone is 7 to 15 digits" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert (await sandbox.ask("GET", "/handset/abc")).http == 404


async def test_home_lists_senders_and_scripts(both):
    page = await page_of(both, "/")

    assert "+70000000004" in page
    assert "+70000000112" in page
    assert both.number.callback_url in page
    assert "WHIMBREL, 1234" in page


async def test_without_an_smsc_home_has_no_sms(sandbox):
    assert "+70000000112" not in await page_of(sandbox, "/")


# -- Forms


async def test_a_switch_works_without_a_script(sandbox):
    answer = await form(sandbox, "/set", switch="is_on", value="false")

    assert answer.http == 303
    assert not sandbox.world.phones.of(PHONE).is_on
    page = await page_of(sandbox)
    assert "The phone is off" in page
    [switch] = [one for one in Elements(page).named("button") if one.get("id") == "switch-is_on"]
    assert (switch["role"], switch["aria-checked"]) == ("switch", "false")


async def test_a_message_can_be_read_without_a_script(sandbox, callback):
    sandbox.world.phones.change(PHONE, reads_itself=False)
    for _ in range(2):
        await sandbox.text(f"+{PHONE}")
    await callback.until_statuses(4)
    page = await page_of(sandbox)
    assert page.count("Mark as read") == 2
    [first, _] = [one for one in Elements(page).named("input") if one["name"] == "id"]

    assert (await form(sandbox, "/read", id=first["value"])).http == 303
    await callback.until_statuses(5)
    assert (await form(sandbox, "/read", script=True)).http == 204
    await callback.until_statuses(6)
    assert "Mark as read" not in await page_of(sandbox)


async def test_an_answer_goes_to_who_was_chosen(both, callback):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        assert (await form(both, "/answers", to="SMS:1234", text="Stop")).http == 303
        await esme.until_delivered(1)
        whatsapp = f"WHATSAPP:{both.number.phone_number_id}"
        assert (await form(both, "/answers", to=whatsapp, text="a\r\nb")).http == 303
        await callback.until(lambda: len(callback.posts) == 1)

    assert esme.delivered[0].destination_addr == "1234"
    assert callback.posts[0].value["messages"][0]["text"]["body"] == "a\nb"


async def test_the_last_who_wrote_is_offered_first(both):
    async with Esme.bound(both.smsc.port, "esme-main", "secret-1") as esme:
        await esme.submit(PHONE)

    [chosen] = [one for one in Elements(await page_of(both)).named("option") if "selected" in one]
    assert chosen["value"] == "SMS:WHIMBREL"


async def test_a_refusal_is_shown_and_the_draft_kept(sandbox):
    to = f"WHATSAPP:{sandbox.number.phone_number_id}"
    sandbox.world.phones.change(PHONE, is_blocking=True)

    page = await form(sandbox, "/answers", to=to, text="My <draft>")
    told = await form(sandbox, "/answers", script=True, to=to, text="My draft")

    assert page.http == 400
    assert "the business is blocked" in page.body
    assert "My &lt;draft&gt;</textarea>" in page.body
    assert told.http == 400
    assert told.body == {"error": "the business is blocked; end that first"}


@pytest.mark.parametrize("switch", ["", "number", "is_on_fire"])
async def test_there_are_no_other_switches(sandbox, switch):
    answer = await form(sandbox, "/set", script=True, switch=switch, value="true")

    assert answer.http == 400


@pytest.mark.parametrize("path", ["set", "read", "answers"])
@pytest.mark.parametrize("written", ["12", "7000000abcd", "%3Cscript%3E"])
async def test_what_is_no_number_has_no_phone(sandbox, written, path):
    answer = await sandbox.ask("POST", f"/handset/{written}/{path}", data={"text": "Hi"})

    assert answer.http == 404
    assert "a phone is 7 to 15 digits" in answer.body
    assert "<script>" not in answer.body


# -- Languages and themes


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("de, ru;q=0.3", "ru"),
        ("de", "en"),
        ("ru;q=0", "en"),
        ("ru;q=none", "en"),
        ("", "en"),
    ],
)
async def test_the_browser_says_which_language(sandbox, header, language):
    page = await page_of(sandbox, "/", **{"Accept-Language": header})

    assert f'<html lang="{language}"' in page
    assert ("Телефоны" in page) == (language == "ru")


async def test_language_and_theme_can_be_chosen(sandbox):
    async def chosen(query):
        async with sandbox.http.get(sandbox.url + PAGE + query) as answer:
            return str(answer.url), await answer.text()

    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        sandbox.http = http
        url, page = await chosen("?language=ru&theme=dark")
        assert url == sandbox.url + PAGE
        assert '<html lang="ru" data-theme="dark">' in page
        _, page = await chosen("?theme=none")
        assert '<html lang="ru" data-theme="dark">' in page


def test_every_text_of_a_page_has_its_russian_and_no_other():
    used = {script.name for script in (*SCRIPTS.values(), *SMS_SCRIPTS.values())}
    for path in (SANDBOX / "handset" / "templates").glob("*.html"):
        found = re.findall(r"""\b_\(\s*(?:"([^"]*)"|'([^']*)')""", path.read_text())
        used |= {one or other for one, other in found}
    wishes = re.findall(r'WrongWish\(\s*"([^"]*)"', (SANDBOX / "handset" / "hand.py").read_text())
    used |= {
        *wishes,
        "not tried yet",
        "text is longer than one part of 160 characters",
        "text is longer than one part of 70 characters",
    }

    assert used == RUSSIAN.keys()


def test_translations_have_the_same_places():
    for english, russian in RUSSIAN.items():
        assert set(re.findall("{.*?}", english)) == set(re.findall("{.*?}", russian)), english
