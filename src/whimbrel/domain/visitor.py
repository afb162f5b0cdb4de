"""Who follows a short URL, as far as its User-Agent tells: a person's browser or a program.

The list of programs is kept here and nowhere else. A name that is missing makes a visit of a
program count as a click; a name that is too short hides people. So each name is as long as it can
be: the browsers inside Telegram, Yandex's app, Instagram or Pinterest carry the company's name too,
and `Cubot` makes telephones.
"""

import re
from enum import StrEnum


class AgentClass(StrEnum):
    """What is kept of a visitor's User-Agent; the value is what the store keeps."""

    MOBILE = "mobile"
    """A browser on a telephone or a tablet."""
    DESKTOP = "desktop"
    BOT = "bot"
    """A program: a crawler, a preview, a tool, or nobody who would give a name."""
    OTHER = "other"
    """A browser, as far as anybody can say."""


_MESSENGERS = (
    # Previews in chats. developers.facebook.com/docs/sharing/webmasters/web-crawlers,
    # faq.whatsapp.com ("WhatsApp/2..."; Signal calls itself WhatsApp/2), core.telegram.org,
    # api.slack.com/robots, developer.x.com (cards), vk.com/dev/Share, apiok.ru, the documents of
    # Discord, LinkedIn, Skype and Viber; iMessage calls itself facebookexternalhit. What has "bot"
    # in its name (TelegramBot, Twitterbot, Discordbot, LinkedInBot, OdklBot...) is below.
    r"^whatsapp/",
    r"^viber\b",
    r"facebookexternalhit|facebookcatalog|meta-external",
    r"vkshare|odnoklassniki\.ru",
    r"slack-imgproxy",
    r"skypeuripreview",
    r"snap url preview",
    r"bitlybot|embedly|iframely|cardyb|mastodon/|pleroma|flipboardproxy",
)
_SEARCH_ENGINES = (
    # developers.google.com/crawling/docs/crawlers-fetchers: those without "bot" in their names.
    r"googleother|mediapartners-google|feedfetcher-google|apis-google|duplexweb-google",
    r"google-(?:read-aloud|inspectiontool|safety|site-verification|cws|pagerenderer|notebooklm)",
    r"google-(?:geminin|extended|firebase|agent)|googleproducer|google web preview|google favicon",
    r"chrome-lighthouse|adsbot",
    # yandex.com/support/webmaster/robot-workings/check-yandex-robots: every one of them has this.
    r"yandex\.com/bots|yadirectfetcher",
    r"bingpreview|slurp|baiduspider|ia_archiver|mail\.ru_|sputnik.*webmaster",
)
_WORDS = (
    # What programs of good will put into their names: "bot" at a word's end ("AhrefsBot/7.0",
    # "Slackbot-LinkExpanding", "/robots.html"), and not after "cu", as in "CUBOT X30".
    r"(?<!cu)bots?(?![a-z])|\bbot",
    r"crawl|spider|scrap(?:er|y)|preview|prerender|unfurl|fetcher|monitor(?:ing|/)|validator",
    r"headless|phantomjs|selenium|puppeteer|playwright|lighthouse|pagespeed",
)
_TOOLS = (
    # Libraries and tools, by the names that they give themselves.
    r"^(?:curl|wget|libwww|lwp|python|aiohttp|httpx|java|okhttp|go-http-client|ruby|php|perl|axios)",
    r"^(?:node|undici|got |guzzle|postman|insomnia|apache-http|dart|dalvik.*build/.{0,40}\)$|winhttp)",
    r"python-requests|python-urllib|http\.rb|libcurl|cfnetwork",
)
_PROGRAM = re.compile("|".join((*_MESSENGERS, *_SEARCH_ENGINES, *_WORDS, *_TOOLS)), re.IGNORECASE)
_MOBILE = re.compile(r"mobi|android|iphone|ipad|ipod|windows phone|opera mini|ucweb", re.IGNORECASE)
_DESKTOP = re.compile(r"windows nt|macintosh|x11|cros |linux", re.IGNORECASE)
LONGEST_AGENT = 1_024
"""What stands beyond so many characters of a User-Agent is not looked at."""


def agent_class(user_agent: str) -> AgentClass:
    """Return what visits, by its User-Agent; the empty text stands for a header that is missing."""
    name = user_agent[:LONGEST_AGENT].strip()
    if not name or _PROGRAM.search(name):
        return AgentClass.BOT
    if _MOBILE.search(name):
        return AgentClass.MOBILE
    return AgentClass.DESKTOP if _DESKTOP.search(name) else AgentClass.OTHER
