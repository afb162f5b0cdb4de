"""What the audit log says of a change, and what a form shows of a URL: never a secret."""

import pytest

from whimbrel.domain.content import Channel
from whimbrel.domain.partner import Profile
from whimbrel.flow.partner_changes import changes_between, masked, unmasked

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://user:s3cret@shop.example/reports?key=k3y"


def test_only_what_differs_is_told_with_its_new_value() -> None:
    old = Profile(rate=1.0, burst=2)
    new = Profile(rate=3.0, burst=2, message_types=[Channel.SMS], ttl_minutes={Channel.SMS: 5})
    assert changes_between(old, new) == {
        "rate": 3.0,
        "message_types": ["SMS"],
        "ttl_minutes": {"SMS": 5},
    }
    assert changes_between(old, old) == {}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [("", SECRET, "made"), (SECRET, f"{SECRET}x", "replaced"), (SECRET, "", "removed")],
)
def test_of_the_signing_secret_only_its_fate_is_told(before: str, after: str, told: str) -> None:
    changes = changes_between(Profile(signing_secret=before), Profile(signing_secret=after))
    assert changes == {"signing_secret": told}


def test_of_urls_what_may_be_logged_is_told() -> None:
    changes = changes_between(Profile(click_url="https://x"), Profile(report_url=URL))
    assert changes == {"report_url": "https://shop.example/reports", "click_url": ""}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "https://***@shop.example/reports?key=k3y"),
        ("https://user@shop.example:8443/", "https://***@shop.example:8443/"),
        ("https://a@b:c@shop.example/", "https://***@shop.example/"),
        ("https://shop.example/@home", "https://shop.example/@home"),
        ("", ""),
        ("https://[broken", "https://[broken"),
    ],
)
def test_who_may_call_there_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert unmasked(shown, url) == url


def test_what_was_typed_anew_counts() -> None:
    assert unmasked("https://new.example/", URL) == "https://new.example/"
    assert unmasked("https://me:too@shop.example/", URL) == "https://me:too@shop.example/"
