"""Every text of the pages has a translation, and every translation a text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

import whimbrel
from whimbrel.web.pages.words import read_words

SOURCE = Path(whimbrel.__file__).parent
TEMPLATES = sorted((SOURCE / "web" / "pages" / "templates").rglob("*.html"))
MODULES = sorted(SOURCE.rglob("*.py"))
LANGUAGES = sorted(set(read_words()) - {"en"})
_SAYING = {"_", "say", "phrase"}
_PLACE = re.compile(r"\{(\w+)\}")


def _texts_of(template: Path) -> Iterator[str]:
    tree = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "_" and call.args:
            for one in (call.args[0], *call.args[0].find_all(nodes.Const)):
                if isinstance(one, nodes.Const) and isinstance(one.value, str):
                    yield one.value


def _marked_in(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _SAYING
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            yield node.args[0].value


def _constants_of(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    words = read_words()[language]
    texts = {(text, file.name) for file in TEMPLATES for text in _texts_of(file)}
    texts |= {(text, file.name) for file in MODULES for text in _marked_in(file)}
    assert len(texts) > 50
    assert sorted((file, text) for text, file in texts if text not in words) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_left_over(language: str) -> None:
    used = {text for file in TEMPLATES for text in _texts_of(file)}
    used |= {text for file in MODULES for text in _constants_of(file)}
    assert sorted(set(read_words()[language]) - used) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_places_of_its_text(language: str) -> None:
    for english, text in read_words()[language].items():
        assert sorted(_PLACE.findall(english)) == sorted(_PLACE.findall(text)), english


def test_no_template_lets_data_pass_unescaped() -> None:
    for template in TEMPLATES:
        source = template.read_text(encoding="utf-8")
        assert "|safe" not in source.replace(" ", ""), template
        assert "autoescape" not in source, template
        assert " style=" not in source, f"{template}: the policy allows no inline style"
        assert not re.search(r"\son[a-z]+=", source), f"{template}: nor inline scripts"
        assert not re.search(r"<script(?![^>]*\ssrc=)", source), template
