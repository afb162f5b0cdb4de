"""What can be configured (`sections.py`), and how it is read (`reading.py`)."""

from whimbrel.settings.reading import ENVIRONMENT_PREFIX, SettingsError, load
from whimbrel.settings.sections import (
    ACCOUNTS,
    ROLES,
    ClusterSettings,
    DispatchSettings,
    LogSettings,
    ReportsSettings,
    SandboxSettings,
    ServerSettings,
    Settings,
    ShortUrlSettings,
    SmppAccount,
    StoreSettings,
    WhatsappAccount,
    local_host,
    local_url,
    short_base_url,
)

__all__ = [
    "ACCOUNTS",
    "ENVIRONMENT_PREFIX",
    "ROLES",
    "ClusterSettings",
    "DispatchSettings",
    "LogSettings",
    "ReportsSettings",
    "SandboxSettings",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "ShortUrlSettings",
    "SmppAccount",
    "StoreSettings",
    "WhatsappAccount",
    "load",
    "local_host",
    "local_url",
    "short_base_url",
]
