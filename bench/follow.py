"""The load of `bench.redirect`: visitors who follow short URLs, each when the last was led on.

A process of its own. Some short URLs are hot, as one that went to everybody this morning is; the
others are followed once in a long while. Run as `python -m bench.follow --port PORT ...`; the
result is written to standard output as JSON.
"""

import random

from bench.load import load_parser, run_load
from bench.wire import SHORT_HOST

HOT = 1_000
"""The first so many short URLs are the hot ones."""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SPREAD = 0x9E3779B97F4A7C15  # odd: numbers below 64**7 stay apart, and their UIDs lie far apart
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
_AGENTS = (
    f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Mobile Safari/537.36",
    f"Mozilla/5.0 (Linux; Android 14; K) {_WEBKIT} Mobile Safari/537.36 Telegram-Android/11.7",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Safari/537.36",
)
_REQUEST = """\
GET /{uid} HTTP/1.1\r
Host: {host}\r
User-Agent: {agent}\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
Accept-Language: ru-RU,ru;q=0.9,en;q=0.8\r
Accept-Encoding: gzip, deflate, br\r
\r
"""


def uid_of(number: int) -> str:
    """Return the UID of the short URL with this number, from 0 on."""
    spread = number * _SPREAD % 64**7
    return "".join(_ALPHABET[spread >> shift & 63] for shift in range(0, 42, 6)) + "x"


class Visits:
    """Requests of visitors: of `stored` short URLs, a share of `cold` is any, the rest is hot."""

    def __init__(self, stored: int, cold: float) -> None:
        self._stored = stored
        self._cold = cold
        self._chance = random.Random(stored)  # the same visits in every round

    def one(self, number: int) -> bytes:
        """Return the next visitor's request."""
        most = self._stored if self._chance.random() < self._cold else HOT
        uid = uid_of(self._chance.randrange(most))
        agent = _AGENTS[number % len(_AGENTS)]
        return _REQUEST.format(uid=uid, host=SHORT_HOST, agent=agent).encode()

    def is_good(self, status: bytes, body: bytes) -> bool:
        """Tell whether a visitor was led on."""
        return status == b"302" and not body


def main() -> None:
    """Run by the arguments, and print the result."""
    parser = load_parser("python -m bench.follow", __doc__)
    parser.add_argument("--stored", type=int, required=True, help="short URLs")
    parser.add_argument("--cold", type=float, default=0.1, help="share of visits of any of them")
    given = parser.parse_args()
    run_load(given, Visits(given.stored, given.cold))


if __name__ == "__main__":
    main()
