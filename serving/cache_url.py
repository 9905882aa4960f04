"""Where answers are cached, as a setting. A Redis URL may hold a password, which is shown nowhere."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Secret

MEMORY, OFF = "memory", "off"
_REDIS = ("redis", "rediss")
_TLS_OPTIONS = dict.fromkeys(
    ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
).keys()


class SecretUrl(Secret[str]):
    """A URL that shows itself without user, password and query."""

    def _display(self) -> str:
        return masked(self.get_secret_value())


def masked(url: str) -> str:
    """The URL without whatever may be secret in it."""
    if url in (MEMORY, OFF):
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "***"
    if parts.scheme not in _REDIS or not host:
        return "***"  # what is not understood may be a password as well
    host = f"[{host}]" if ":" in host else host
    credentials = "***@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{credentials}{host}{f':{port}' if port else ''}{parts.path}"


def _checked(secret: SecretUrl) -> SecretUrl:
    url = secret.get_secret_value()
    if url in (MEMORY, OFF):
        return secret
    try:
        parts = urlsplit(url)
        understood = parts.scheme in _REDIS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        understood = False
    if not understood or not _is_database(parts.path):
        raise ValueError(
            f"must be `{MEMORY}`, `{OFF}`, or redis://[user:password@]host[:port][/database] or rediss://…"
        )
    # other options of redis-py, such as its timeouts and retries, would undo what keeps a slow Redis harmless
    options = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if not options <= (_TLS_OPTIONS if parts.scheme == "rediss" else set()):
        raise ValueError(f"may have these options after the ?, and only with rediss://: {', '.join(_TLS_OPTIONS)}")
    return secret


def _is_database(path: str) -> bool:
    number = path.removeprefix("/")
    return not number or (number.isascii() and number.isdigit())


CacheUrl = Annotated[SecretUrl, AfterValidator(_checked)]
