"""The gateway's own short domain, for Partners who have none."""

from whimbrel.domain.short_url import BadBase, base_of
from whimbrel.settings import Settings, SettingsError, short_base_url


def gateway_base(settings: Settings) -> str:
    """Return what stands before the UID in short URLs of the gateway's own domain; empty: none.

    Raises `SettingsError`.
    """
    url = short_base_url(settings)
    try:
        return base_of(url) if url else ""
    except BadBase as error:
        name = "short_urls.base_url" if settings.short_urls.base_url else "server.public_url"
        raise SettingsError(f"{name}: {error}") from error
