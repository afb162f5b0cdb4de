"""Vendored libraries are what was published, and their licences are with them."""

import hashlib
import re
from pathlib import Path

import whimbrel

VENDOR = Path(whimbrel.__file__).parent / "web" / "pages" / "assets" / "vendor"
_ROW = re.compile(r"^\| `([^`]+)` \|.*\| ([^|]*) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
_FILE = re.compile(r"`([^`]+)`")


def test_each_file_has_its_digest_and_its_licence() -> None:
    rows = _ROW.findall((VENDOR / "README.md").read_text(encoding="utf-8"))
    told = {"README.md"}
    for name, terms, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
        licences = _FILE.findall(terms)
        assert licences, name
        for licence in licences:
            assert (VENDOR / licence).read_text(encoding="utf-8").strip(), licence
        told |= {name, *licences}
    assert {file.name for file in VENDOR.iterdir()} == told
