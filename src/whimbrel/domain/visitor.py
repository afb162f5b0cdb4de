"""Who follows a short URL, as far as its User-Agent tells: a person's browser or a program.

The list of programs is kept here and nowhere else. A name that is missing makes a visit of a
program count as a click; a name that is too short hides people. So each name is as long as it can
be: the browsers inside Telegram, Yandex's app, Instagram or Pinterest carry the company's name too,
and `Cubot` makes telephones.
"""

import re
from enum import StrEnum
from functools import lru_cache


class AgentClass(StrEnum):
    """What is kept of a visitor's User-Agent; the value is what the store keeps."""

    MOBILE = "mobile"
    """A browser on a telephone or a tablet."""
    DESKTOP = "desktop"
    BOT = "bot"
    """A program: a crawler, a preview, a tool, or nobody who would give a name."""
    OTHER = "other"
    """A browser, as far as anybody can say."""


# All in lower case. Whatever has the word "bot" in its name need not be here: TelegramBot,
# Twitterbot, Discordbot, Slackbot, LinkedInBot, OdklBot, Googlebot, YandexBot, bingbot...
_NAMES = (
    # Previews in chats and feeds. developers.facebook.com/docs/sharing/webmasters/web-crawlers (so
    # calls itself iMessage too), vk.com/dev/Share, api.slack.com/robots; Odnoklassniki, Skype and
    # Teams, Snapchat, Embedly, Iframely, Bluesky, Mastodon and Flipboard by their own requests.
    *("facebookexternalhit", "facebookcatalog", "meta-external", "vkshare", "odnoklassniki.ru"),
    *("slack-imgproxy", "skypeuripreview", "embedly", "iframely", "cardyb", "mastodon/"),
    "flipboardproxy",
    # developers.google.com/crawling/docs/crawlers-fetchers: those that are no "bot".
    *("googleother", "mediapartners-google", "feedfetcher-google", "apis-google", "google-read-"),
    *("google-inspection", "google-safety", "google-site-verification", "google-cws"),
    *("google-pagerenderer", "google-notebook", "google-gemini", "google-extended"),
    *("google-agent", "googleproducer", "google favicon", "duplexweb-google"),
    # yandex.com/support/webmaster/robot-workings/check-yandex-robots: all of them say the first.
    *("yandex.com/bots", "yadirectfetcher"),
    # Bing's, Yahoo's, the Internet Archive's and Mail.ru's.
    *("bingpreview", "slurp", "ia_archiver", "mail.ru_"),
    # Words that programs of good will have in their names.
    *("crawl", "spider", "scraper", "preview", "prerender", "unfurl", "fetcher", "monitoring"),
    *("validator", "headless", "phantomjs", "selenium", "puppeteer", "playwright", "lighthouse"),
    # Libraries, wherever they name themselves.
    *("python-requests", "python-urllib", "http.rb/", "libcurl", "cfnetwork", "okhttp"),
)
_BEGINNINGS = (
    # faq.whatsapp.com: "WhatsApp/2.23.20.0 A"; Signal calls itself WhatsApp/2. Viber: "Viber".
    *("whatsapp/", "viber"),
    # Libraries and tools, and applications that use those of their system.
    *("curl/", "wget/", "libwww", "lwp", "winhttp", "apache-http", "postman", "insomnia", "python"),
    *("aiohttp", "httpx", "ruby", "java/", "dalvik/", "dart/", "go-http-client", "php", "guzzle"),
    *("perl", "axios", "node", "undici", "got "),
)
_BOT = re.compile(r"(?<!cu)bots?(?![a-z])")  # at a word's end, and no "CUBOT X30"
_MOBILE = ("mobi", "android", "iphone", "ipad", "ipod", "windows phone", "opera mini", "ucweb")
_DESKTOP = ("windows nt", "macintosh", "x11", "cros ", "linux")
LONGEST_AGENT = 512
"""Characters of a User-Agent that are worth looking at; browsers' are shorter."""


@lru_cache(maxsize=4_096)
def agent_class(user_agent: str) -> AgentClass:
    """Return what visits, by its User-Agent; the empty text stands for a header that is missing.

    The names of the day are remembered: they are few, and each costs a long look.
    """
    name = user_agent[:LONGEST_AGENT].strip().lower()
    if not name or _is_program(name):
        return AgentClass.BOT
    if any(word in name for word in _MOBILE):
        return AgentClass.MOBILE
    return AgentClass.DESKTOP if any(word in name for word in _DESKTOP) else AgentClass.OTHER


def _is_program(name: str) -> bool:
    if "bot" in name and _BOT.search(name):
        return True
    return name.startswith(_BEGINNINGS) or any(word in name for word in _NAMES)
