"""Passwords of Partners."""

import pytest

from whimbrel.domain.password import BadPassword, hash_password, password_is_right


def test_the_right_password_and_no_other_opens() -> None:
    stored = hash_password("пароль-1")
    assert password_is_right(stored, "пароль-1")
    assert not password_is_right(stored, "пароль-2")
    assert not password_is_right(stored, "")


def test_what_is_stored_is_salted_argon2id() -> None:
    one, other = hash_password("the same"), hash_password("the same")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert "the same" not in one


def test_seven_characters_are_too_few() -> None:
    with pytest.raises(BadPassword, match="at least 8"):
        hash_password("seven77")


@pytest.mark.parametrize("damaged", ["", "plain text", "$argon2id$v=19$m=65536,t=3,p=1$AAAA"])
def test_a_damaged_hash_admits_nobody(damaged: str) -> None:
    assert not password_is_right(damaged, "plain text")
