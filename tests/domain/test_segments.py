"""Texts cut into parts of an SMS.

The alphabet is written here once more, by code point, from 3GPP TS 23.038, sections 6.2.1 and
6.2.1.1, so that a slip in the one table is caught by the other.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.clock import START
from whimbrel.clock import SECOND
from whimbrel.domain.alphabet import decode, gsm_encode
from whimbrel.domain.chain_id import ChainIds, link_id
from whimbrel.domain.segments import (
    Place,
    Segments,
    TooManyParts,
    part_count,
    reference_of,
    segments,
    split_header,
)

# fmt: off
BASIC = [
    0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D, 0xC5, 0xE5,
    0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, 0x3A3, 0x398, 0x39E, None,
    0xC6, 0xE6, 0xDF, 0xC9,
    0x20, 0x21, 0x22, 0x23, 0xA4, *range(0x25, 0x40),
    0xA1, *range(0x41, 0x5B), 0xC4, 0xD6, 0xD1, 0xDC, 0xA7,
    0xBF, *range(0x61, 0x7B), 0xE4, 0xF6, 0xF1, 0xFC, 0xE0,
]
# fmt: on
EXTENSION = {
    0x0A: 0x0C,
    0x14: 0x5E,
    0x28: 0x7B,
    0x29: 0x7D,
    0x2F: 0x5C,
    0x3C: 0x5B,
    0x3D: 0x7E,
    0x3E: 0x5D,
    0x40: 0x7C,
    0x65: 0x20AC,
}
SEPTETS = {
    **{chr(point): bytes([code]) for code, point in enumerate(BASIC) if point is not None},
    **{chr(point): bytes([0x1B, code]) for code, point in EXTENSION.items()},
}
DOUBLE = "\f^{}\\[~]|€"
EMOJI = "😀"

gsm_texts = st.text(st.sampled_from(sorted(SEPTETS)), max_size=700)
escaped_texts = st.text(st.sampled_from("a€|"), max_size=700)
wide_texts = st.text(st.sampled_from("Ж" + EMOJI), max_size=300)
texts = st.text(max_size=300) | gsm_texts | escaped_texts | wide_texts
broken_texts = st.text(st.characters(categories=["Cs", "Lu", "So"]), max_size=300)


def bodies(cut: Segments) -> list[bytes]:
    return [split_header(part)[1] for part in cut.parts] if cut.has_headers else list(cut.parts)


def test_every_character_of_unicode_is_in_the_alphabet_or_not() -> None:
    assert len(BASIC) == 128
    encoded = {chr(point): gsm_encode(chr(point)) for point in range(0x110000)}
    assert {character: octets for character, octets in encoded.items() if octets} == SEPTETS


@pytest.mark.parametrize("character", DOUBLE)
def test_a_character_of_the_extension_table_costs_two_septets(character: str) -> None:
    assert len(gsm_encode(character) or b"") == 2
    assert part_count(character * 80) == 1
    assert part_count(character * 80 + "a") == 2


@pytest.mark.parametrize(
    ("text", "data_coding", "lengths"),
    [
        ("", 0, [0]),
        ("a" * 160, 0, [160]),
        ("a" * 161, 0, [153, 8]),
        ("a" * 306, 0, [153, 153]),
        ("a" * 307, 0, [153, 153, 1]),
        ("€" * 80, 0, [160]),
        ("€" * 81, 0, [152, 10]),
        ("a" + "€" * 80, 0, [153, 8]),
        ("a" * 152 + "€" + "a" * 10, 0, [152, 12]),
        ("`" * 70, 8, [140]),
        ("`" * 71, 8, [134, 8]),
        ("Ж" * 70, 8, [140]),
        ("Ж" * 71, 8, [134, 8]),
        ("a" * 70 + "Ж", 8, [134, 8]),
        ("Ж" * 134, 8, [134, 134]),
        (EMOJI * 35, 8, [140]),
        (EMOJI * 36, 8, [132, 12]),
        ("Ж" + EMOJI * 35, 8, [134, 8]),
        ("Ж" * 66 + EMOJI + "Ж" * 10, 8, [132, 24]),
        ("a\0", 8, [4]),
        ("a\x1b", 8, [4]),
        ("ç", 8, [2]),
        ("Ç", 0, [1]),
    ],
)
def test_limits(text: str, data_coding: int, lengths: list[int]) -> None:
    cut = segments(text, 7)
    assert cut.data_coding == data_coding
    assert [len(body) for body in bodies(cut)] == lengths
    assert cut.has_headers == (len(lengths) > 1)
    assert part_count(text) == len(lengths)


def test_a_header_tells_the_reference_the_parts_and_the_part() -> None:
    parts = segments("a" * 307, 200).parts
    assert [part[:6].hex() for part in parts] == ["050003c80301", "050003c80302", "050003c80303"]


@given(texts)
@example("a" * 152 + "€" * 2)
@example("Ж" * 66 + EMOJI * 2)
def test_parts_join_to_the_text(text: str) -> None:
    cut = segments(text, 7)
    joined = b"".join(bodies(cut))
    assert decode(cut.data_coding, joined) == text
    # No character lies across two parts: each part can be read alone.
    assert "".join(decode(cut.data_coding, body) or "" for body in bodies(cut)) == text


@given(texts | broken_texts)
def test_no_part_is_over_its_limit_and_none_is_shorter_than_it_must_be(text: str) -> None:
    cut = segments(text, 7)
    whole, most, unit = (160, 153, 1) if cut.data_coding == 0 else (140, 134, 2)
    lengths = [len(body) for body in bodies(cut)]
    if not cut.has_headers:
        assert lengths[0] <= whole
        return
    assert sum(lengths) > whole
    assert all(most - unit <= length <= most for length in lengths[:-1])
    assert 0 < lengths[-1] <= most


@given(texts | broken_texts)
def test_part_count_is_the_count_of_the_parts(text: str) -> None:
    assert part_count(text) == len(segments(text, 7).parts)


@given(texts)
def test_parts_say_where_they_belong(text: str) -> None:
    cut = segments(text, 7)
    if cut.has_headers:
        count = len(cut.parts)
        places = [split_header(part)[0] for part in cut.parts]
        assert places == [Place(7, count, part) for part in range(1, count + 1)]


@given(broken_texts)
def test_half_of_a_surrogate_pair_spoils_itself_alone(text: str) -> None:
    cut = segments(text, 7)
    sent = text.encode("utf-16-be", "surrogatepass") if cut.data_coding == 8 else b""
    if sent:
        assert decode(8, b"".join(bodies(cut))) == sent.decode("utf-16-be", "replace")


@pytest.mark.parametrize("character", ["a", "€", "Ж", EMOJI])
def test_the_longest_text_has_fewer_parts_than_a_header_can_count(character: str) -> None:
    assert part_count(character * 2000) <= 61


def test_a_text_beyond_the_header_is_refused() -> None:
    assert len(segments("Ж" * 67 * 255, 7).parts) == 255
    with pytest.raises(TooManyParts, match="256 parts"):
        segments("Ж" * (67 * 255 + 1), 7)


# References


def test_a_reference_is_the_same_for_every_attempt_and_one_octet() -> None:
    numbers = range(1 << 40, (1 << 40) + 1000)
    references = [reference_of(number) for number in numbers]
    assert references == [reference_of(number) for number in numbers]
    assert all(0 <= reference <= 255 for reference in references)


@pytest.mark.parametrize("pause", [0, SECOND, 60 * SECOND, 64 * SECOND, 3600 * SECOND])
def test_the_references_of_256_messages_in_turn_are_well_spread(pause: int) -> None:
    """Messages to one subscriber must not be mixed: a handset joins parts by reference."""
    ids = ChainIds(0)
    numbers = [link_id(ids.next(START + at * pause), 0) for at in range(256)]
    references = [reference_of(number) for number in numbers]
    assert len(set(references)) > 128
    assert all(len(set(references[at : at + 8])) == 8 for at in range(248))


@given(st.integers(0, (1 << 63) - 1))
def test_any_number_has_a_reference(number: int) -> None:
    assert 0 <= reference_of(number) <= 255


# What comes in


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (0, b"\x00\x11\x1be\x1b\x28", "@_€{"),
        (0, b"a\x1b", "a "),
        (0, b"a\x1b\x1bb", "a b"),
        (0, b"\x1b\x41", "A"),
        (0, b"a\x80\xff", "a\ufffd\ufffd"),
        (1, b"a@\x80", "a@\ufffd"),
        (3, b"\xe9", "é"),
        (6, b"\xb6", "Ж"),
        (8, b"\x04\x16\xd8\x3d\xde\x00", "Ж😀"),
        (8, b"\x04\x16\xd8\x3d", "Ж\ufffd"),
        (8, b"\x04\x16\x04", "Ж\ufffd"),
        (0x10, b"\x00", "@"),
        (0x18, b"\x04\x16", "Ж"),
        (0xF0, b"\x00", "@"),
        (0xF1, b"\x00", "@"),
        (2, b"a", None),
        (4, b"a", None),
        (0xF5, b"a", None),
        (5, b"a", None),
        (255, b"a", None),
    ],
)
def test_decode(data_coding: int, octets: bytes, text: str | None) -> None:
    assert decode(data_coding, octets) == text


@given(st.integers(0, 255), st.binary(max_size=200))
def test_decode_takes_anything(data_coding: int, octets: bytes) -> None:
    text = decode(data_coding, octets)
    assert text is None or text.encode().decode() == text


@pytest.mark.parametrize(
    ("message", "place", "body"),
    [
        ("0500030703016162", Place(7, 3, 1), b"ab"),
        ("060804010703026162", Place(263, 3, 2), b"ab"),
        ("0b0504000017a200030703016162", Place(7, 3, 1), b"ab"),
        ("0a000307030100030803026162", Place(8, 3, 2), b"ab"),
        ("050003070301", Place(7, 3, 1), b""),
        ("006162", None, b"ab"),
        ("0500030703006162", None, b"ab"),
        ("0500030703046162", None, b"ab"),
        ("0500030700016162", None, b"ab"),
        ("0500ff0703016162", None, b"ab"),
        ("030003076162", None, b"ab"),
        ("01006162", None, b"ab"),
        ("05000307", None, b"\x05\x00\x03\x07"),
        ("", None, b""),
    ],
)
def test_split_header(message: str, place: Place | None, body: bytes) -> None:
    assert split_header(bytes.fromhex(message)) == (place, body)


@given(st.binary(max_size=40))
def test_split_header_takes_anything(message: bytes) -> None:
    place, body = split_header(message)
    assert message.endswith(body)
    assert place is None or 1 <= place.part <= place.parts
