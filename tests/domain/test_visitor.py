"""Who is a person's browser and who is a program, by names that were seen in the wild."""

import pytest

from whimbrel.domain.visitor import AgentClass, agent_class

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15"

PREVIEWS = [
    "WhatsApp/2.23.20.0 A",
    "WhatsApp/2.2413.51 W",
    "WhatsApp/2",
    "TelegramBot (like TwitterBot)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) "
        "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0"
    ),
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "Twitterbot/1.0",
    "Viber",
    "Viber/13.9.1.14 CFNetwork/1121.2.2 Darwin/19.2.0",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Mozilla/5.0 (compatible; OdklBot/1.0 like Linux; klass@odnoklassniki.ru)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
    "Bluesky Cardyb/1.1; +mailto:support@bsky.app",
    "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.example/)",
]
SEARCH_ENGINES = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    (
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {CHROME} Mobile Safari/537.36 "
        "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    ),
    "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mediapartners-Google",
    (
        f"Mozilla/5.0 (X11; Linux x86_64) {CHROME} Safari/537.36 (compatible; Google-Read-Aloud; "
        "+https://support.google.com/webmasters/answer/1061943)"
    ),
    "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 8_1 like Mac OS X) AppleWebKit/600.1.4 (KHTML) "
        "Version/8.0 Mobile/12B411 Safari/600.1.4 (compatible; YandexMobileBot/3.0; "
        "+http://yandex.com/bots)"
    ),
    "Mozilla/5.0 (compatible; YaDirectFetcher/1.0; Dyatel; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Baiduspider+(+http://www.baidu.com/search/spider.htm)",
    "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +https://help.mail.ru/webmaster)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
]
PROGRAMS = [
    "",
    "   ",
    "curl/8.5.0",
    "Wget/1.21.4",
    "python-requests/2.32.3",
    "Python/3.11 aiohttp/3.14.0",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "Dalvik/2.1.0 (Linux; U; Android 7.0; SM-J330F Build/NRD90M)",
    f"Mozilla/5.0 (X11; Linux x86_64) {CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36",
    "SomethingNew Crawler 0.1",
    "shop-link-preview/1",
]
ON_MOBILE = [
    f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36",
    f"{IPHONE} (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/37.7; U; ru) Presto/2.12.423 Version/12.16",
    # The browsers inside applications carry the names of those who have crawlers too.
    (
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari Telegram-Android/11.7"
        " (Google Pixel 8; Android 14; SDK 34; HIGH)"
    ),
    (
        f"Mozilla/5.0 (Linux; Android 8.1.0; Redmi 6A; wv) {CHROME} Mobile Safari/537.36 "
        "YandexSearch/7.45 YandexSearchBrowser/7.45"
    ),
    f"Mozilla/5.0 (Linux; Android 13) {CHROME} YaBrowser/24.10.4 Mobile Safari/537.36",
    f"{IPHONE} Mobile/15E148 Instagram 330.0.0.0 (iPhone14,5; iOS 17_4; ru_RU)",
    f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/450.0.0.38.108;FBDV/iPhone14,5]",
    f"{IPHONE} Mobile/15E148 [Pinterest/iOS]",
    f"Mozilla/5.0 (Linux; Android 11; CUBOT X30) {CHROME} Mobile Safari/537.36",
]
ON_DESKTOP = [
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/131.0.0.0",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} YaBrowser/24.10.0.0 Safari/537.36",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.1 Safari/605.1.15"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36",
]
OTHERS = ["Mozilla/5.0 (PlayStation 5/SmartTV) AppleWebKit/605.1.15", "Nokia6300/2.0 (05.50)"]


@pytest.mark.parametrize("name", PREVIEWS + SEARCH_ENGINES + PROGRAMS)
def test_a_program(name: str) -> None:
    assert agent_class(name) is AgentClass.BOT


@pytest.mark.parametrize("name", ON_MOBILE)
def test_a_person_on_a_telephone(name: str) -> None:
    assert agent_class(name) is AgentClass.MOBILE


@pytest.mark.parametrize("name", ON_DESKTOP)
def test_a_person_at_a_desk(name: str) -> None:
    assert agent_class(name) is AgentClass.DESKTOP


@pytest.mark.parametrize("name", OTHERS)
def test_a_person_somewhere(name: str) -> None:
    assert agent_class(name) is AgentClass.OTHER


def test_letter_case_makes_no_difference() -> None:
    assert agent_class("WHATSAPP/2.23") is AgentClass.BOT
    assert agent_class("MOZILLA/5.0 (ANDROID 14; MOBILE)") is AgentClass.MOBILE
