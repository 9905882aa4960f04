"""Which web pages may call the service from a browser (CORS). Off unless origins are set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from serving.asgi import Message, Reply, Scope, Send, header
from serving.secret_lists import parts

PREFLIGHT_SECONDS = 600
"""How long a browser may remember what it was allowed."""

_ALLOWED_HEADERS = b"authorization, content-type, x-request-id"
_SHOWN_HEADERS = b"x-request-id, retry-after"


class Cors:
    """Adds what a browser asks for.

    Args:
        origins: separated by commas; `*` for all; empty for none.
        paths: what their pages may ask for, with the methods of each.
    """

    def __init__(self, origins: str, paths: Mapping[str, Iterable[str]]) -> None:
        self._origins, self._paths = frozenset(part.encode() for part in parts(origins)), paths

    @property
    def is_on(self) -> bool:
        """Whether there is any origin."""
        return bool(self._origins)

    def allows(self, scope: Scope) -> bool:
        """Whether the request comes from a page of one of the origins, and is for one of the paths."""
        if not self._origins or scope["path"] not in self._paths:
            return False
        origin = header(scope, b"origin")
        return bool(origin) and (origin in self._origins or b"*" in self._origins)

    def preflight(self, scope: Scope) -> Reply | None:
        """The answer to a browser that asks whether a page may ask; None if the request is no such question."""
        if scope["method"] != "OPTIONS" or not header(scope, b"access-control-request-method"):
            return None
        headers = [
            (b"access-control-allow-methods", ", ".join(sorted(self._paths[scope["path"]])).encode()),
            (b"access-control-allow-headers", _ALLOWED_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
        return Reply(200, headers, b"")

    def shown(self, scope: Scope, send: Send) -> Send:
        """A `send` whose answers the page may read. No cookies: a page sends its key in a header, knowingly."""
        origin = b"*" if b"*" in self._origins else header(scope, b"origin")
        added = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _SHOWN_HEADERS),
            (b"vary", b"origin"),
        ]

        async def send_shown(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        return send_shown
