"""Reads the settings: the only reader of the environment and of the configuration file.

A setting is taken from the built-in default, then the TOML file, then an environment variable
`WHIMBREL_<SECTION>_<NAME>` (for example `WHIMBREL_SERVER_PORT`). Secrets are written in the file as
`env:NAME`, so that the file itself can be kept in a repository.
"""

import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec
from msgspec import Struct

from whimbrel.settings.sections import ACCOUNTS, Settings

ENVIRONMENT_PREFIX = "WHIMBREL_"
_SECRET_MEMBERS = {"whatsapp": ("token", "app_secret", "verify_token"), "smpp": ("password",)}


class SettingsError(Exception):
    """The configuration cannot be used; the text names the setting and the rule."""


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    `path` is the TOML file; None means defaults and environment only. A relative `store.path` is
    taken from the file's own folder, so that a command works from anywhere.

    Raises `SettingsError` with the setting's name and the rule that it breaks.
    """
    document = _read_toml(path) if path else {}
    _overlay_environment(document, environment)
    _resolve_secrets(document, environment)
    _resolve_url(document, environment)
    _check_accounts(document, path)
    try:
        settings = msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path or 'environment'}: {error}") from error
    _check_subnets("server.trusted_proxies", settings.server.trusted_proxies)
    _check_subnets("reports.allowed_private_subnets", settings.reports.allowed_private_subnets)
    _check_senders(settings)
    if path:
        settings.store.path = str(path.parent / settings.store.path)
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _overlay_environment(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Let `WHIMBREL_<SECTION>_<NAME>` win over the file, in every section of fixed name."""
    for section in msgspec.structs.fields(Settings):
        if not (isinstance(section.type, type) and issubclass(section.type, Struct)):
            continue  # [whatsapp.NAME], [smpp.NAME]: their secrets come by env: references
        for member in msgspec.structs.fields(section.type):
            variable = f"{ENVIRONMENT_PREFIX}{section.name}_{member.name}".upper()
            if variable not in environment:
                continue
            text = environment[variable]
            is_list = get_origin(member.type) is list
            document.setdefault(section.name, {})[member.name] = (
                [part.strip() for part in text.split(",") if part.strip()] if is_list else text
            )


def _accounts(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the section, the name and the members of each sender account."""
    for section in ACCOUNTS:
        accounts = document.get(section)
        if isinstance(accounts, dict):
            yield from ((section, name, account) for name, account in accounts.items())


def _resolve_secrets(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    for section, name, account in _accounts(document):
        if not isinstance(account, dict):
            continue
        for member in _SECRET_MEMBERS[section]:
            value = account.get(member)
            if not isinstance(value, str) or not value.startswith("env:"):
                continue
            account[member] = _named(value, f"{section}.{name}.{member}", environment)


def _resolve_url(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    store = document.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    if isinstance(url, str) and url.startswith("env:"):
        document["store"]["url"] = _named(url, "store.url", environment)


def _named(reference: str, member: str, environment: Mapping[str, str]) -> str:
    """Return the secret that `env:NAME` means."""
    variable = reference.removeprefix("env:")
    if not environment.get(variable):
        raise SettingsError(f"{member}: the environment variable {variable} is not set")
    return environment[variable]


def _check_accounts(document: dict[str, Any], path: Path | None) -> None:
    """Check each account alone, for msgspec does not tell the key of a mapping."""
    for section, name, account in _accounts(document):
        try:
            msgspec.convert(account, ACCOUNTS[section], strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{path or 'environment'}: {section}.{name}: {error}") from error


def _check_subnets(name: str, subnets: list[str]) -> None:
    for subnet in subnets:
        try:
            ipaddress.ip_network(subnet)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error


def _check_senders(settings: Settings) -> None:
    """A sender belongs to one account of its channel, so that it tells which one to use."""
    _check_section("whatsapp", {n: [one.sender] for n, one in settings.whatsapp.items()}, "sender")
    _check_section("smpp", {n: one.senders for n, one in settings.smpp.items()}, "senders")


def _check_section(section: str, accounts: Mapping[str, list[str]], member: str) -> None:
    seen: dict[str, str] = {}
    for name, senders in accounts.items():
        if not name.replace("-", "").replace("_", "").isalnum():
            raise SettingsError(f"{section}.{name}: letters, digits, - and _ only")
        for sender in senders:
            if sender in seen:
                raise SettingsError(
                    f"{section}.{name}.{member}: {sender!r} is a sender of "
                    f"{section}.{seen[sender]} already"
                )
            seen[sender] = name
