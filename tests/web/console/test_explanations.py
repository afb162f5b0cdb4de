"""Every errorCode is explained, in every language."""

import pytest

from whimbrel.domain.status import ErrorCode
from whimbrel.web.console.explanations import EXPLANATIONS, explanation_of
from whimbrel.web.pages.words import read_words


def test_every_error_code_is_explained() -> None:
    assert set(EXPLANATIONS) == set(ErrorCode) - {ErrorCode.NONE}
    assert len({one.name for one in EXPLANATIONS.values()}) == len(EXPLANATIONS)


@pytest.mark.parametrize("code", [*ErrorCode, 15, 999])
def test_an_explanation_is_there_in_russian_too(code: int) -> None:
    words = read_words()["ru"]
    for text in explanation_of(code):
        assert words[text] != text
