"""URLs that outgoing HTTP is led to: which can be requested, and what of one may be shown.

Apart from `http_out`, so that whoever only judges a URL does not import an HTTP client.
"""

from yarl import URL

MAX_URL_LENGTH = 2048  # characters


def usable_url(text: str) -> bool:
    """Tell whether a URL can be requested: absolute http or https with a host, no blanks.

    Userinfo may be part of it. Whether the host is allowed shows only when it is connected to.
    """
    if len(text) > MAX_URL_LENGTH or not text.isprintable() or " " in text:
        return False
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and bool(url.raw_host) and url.explicit_port != 0


def redact(url: str) -> str:
    """Return scheme, host, port and path: what may be logged. Never raises."""
    try:
        parsed = URL(url)
    except ValueError:
        return "(unusable URL)"
    host = parsed.host_port_subcomponent
    return f"{parsed.scheme}://{host}{parsed.raw_path}" if host else "(unusable URL)"
