"""What a handset would show, by tables from 3GPP TS 23.038 and 23.040."""

import pytest

from whimbrel.sandbox.smsc.texts import Part, decoded, encoded, split_header


@pytest.mark.parametrize(
    ("data_coding", "body", "text"),
    [
        (0, b"Hello", "Hello"),
        (0, bytes([0x00, 0x01, 0x02, 0x10, 0x24, 0x40, 0x5B, 0x60, 0x7F]), "@£$Δ¤¡Ä¿à"),
        (0, b"\x1be\x1b\x28\x1b\x29\x1b\x3c\x1b\x3e\x1b\x14\x1b\x2f\x1b\x3d\x1b\x40", "€{}[]^\\~|"),
        (0, b"\x1bA", "A"),
        (0, b"a\x1b", "a"),
        (0, b"a\x80\xff", "a\ufffd\ufffd"),
        (0, b"\x1be\x80", "€\ufffd"),
        (1, b"Hello\xe9", "Hello\ufffd"),
        (3, b"caf\xe9", "café"),
        (8, "Привет 😀".encode("utf-16-be"), "Привет 😀"),
        (8, b"\x04\x1f\xd8\x3d", "П\ufffd"),
        (4, b"\x00\x01", None),
        (0xF5, b"\x00\x01", None),
    ],
)  # fmt: skip
def test_texts(data_coding, body, text):
    assert decoded(data_coding, body) == text


@pytest.mark.parametrize(
    ("esm_class", "content", "part", "body"),
    [
        (0x40, b"\x05\x00\x03\x07\x03\x02rest", Part(ref=7, part=2, total=3), b"rest"),
        (0x40, b"\x06\x08\x04\x01\x02\x03\x02rest", Part(ref=0x102, part=2, total=3), b"rest"),
        (0x43, b"\x05\x00\x03\x07\x03\x02rest", Part(ref=7, part=2, total=3), b"rest"),
        # A port number before it.
        (0x40, b"\x09\x04\x02\x01\x02\x00\x03\x07\x03\x02rest", Part(7, 2, 3), b"rest"),
        (0x40, b"\x03\x24\x01\x01rest", None, b"rest"),
        (0x00, b"\x05\x00\x03\x07\x03\x02rest", None, b"\x05\x00\x03\x07\x03\x02rest"),
        # Broken ones.
        (0x40, b"", None, b""),
        (0x40, b"\x20short", None, b"\x20short"),
        (0x40, b"\x05\x00\x09\x07\x03\x02rest", None, b"rest"),
    ],
)
def test_headers(esm_class, content, part, body):
    assert split_header(esm_class, content) == (part, body)


@pytest.mark.parametrize("text", ["Hello @ {€}", "Ä\n\r¿", "СТОП", "😀", "x" * 160, "ё" * 70])
def test_what_is_encoded_decodes(text):
    assert decoded(*encoded(text)) == text
