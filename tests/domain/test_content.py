"""What a channel may carry: `protocol.md`, sections 1 and 8."""

import pytest

from whimbrel.domain.content import BadContent, Channel, check_text


@pytest.mark.parametrize(
    ("channel", "text"),
    [
        (Channel.WHATSAPP, "x"),
        (Channel.WHATSAPP, "x" * 1_000),
        (Channel.WHATSAPP, "\N{GRINNING FACE}" * 1_000),
        (Channel.WHATSAPP, "ж" * 1_000),
        (Channel.SMS, "x" * 2_000),
    ],
)
def test_a_text_is_measured_in_code_points(channel: Channel, text: str) -> None:
    check_text(channel, text)


@pytest.mark.parametrize(
    ("channel", "text", "words"),
    [
        (
            Channel.WHATSAPP,
            "x" * 2_024,
            "Message is too long (2024 symbols). WHATSAPP message max length is 1000 symbols.",
        ),
        (
            Channel.WHATSAPP,
            "x" * 1_001,
            "Message is too long (1001 symbols). WHATSAPP message max length is 1000 symbols.",
        ),
        (
            Channel.SMS,
            "x" * 2_001,
            "Message is too long (2001 symbols). SMS message max length is 2000 symbols.",
        ),
        (Channel.WHATSAPP, "", "Message is empty. WHATSAPP message needs 1 to 1000 symbols."),
    ],
)
def test_a_text_that_does_not_fit_is_refused_in_the_providers_words(
    channel: Channel, text: str, words: str
) -> None:
    with pytest.raises(BadContent) as refusal:
        check_text(channel, text)
    assert str(refusal.value) == words
