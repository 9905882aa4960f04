"""The ASGI layer outside BentoML: our routes, one error shape for every origin, request ids, limits.

BentoML's own stack costs more than a prediction (docs/architecture.md), so the routes that we declare are answered
here; everything else goes on to BentoML, and its error answers are reshaped on their way out.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitoring.metrics import OTHER
from schemas.errors import (
    Internal,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    NotReady,
    PlumblineError,
    TooLarge,
    UnsupportedMediaType,
)
from serving import body_values, logs, pages, problems
from serving.access import Access, Audience
from serving.asgi import App, Message, Receive, Reply, Request, Scope, Send, header, send_reply
from serving.aside import aside
from serving.bodies import ClientGone, Place, Room, read_json
from serving.cors import Cors
from serving.drain import Drain, with_close
from serving.endpoints import LARGE_BYTES, Endpoint
from serving.settings import Settings

logger = logging.getLogger(__name__)

PLATFORM_PATHS: dict[str, Audience] = {"/schema.json": "clients", **dict.fromkeys(pages.ASSETS, "inside")}
"""What BentoML answers itself. Its metrics keep a label for every path it is asked for: a scan must not reach it."""

Told = Callable[[str, PlumblineError | None], None]
"""Hears the path of every request that was answered here, and the error if it was refused."""

_CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_random_bits = random.Random().getrandbits  # noqa: S311 - told apart, not secret; the system is asked for one seed only


class FrontDoor:
    """Answers the endpoints and passes the rest on.

    Args:
        endpoints: what is answered here.
        platform: BentoML's own app.
        settings: the limits.
        drain: whether the process is about to end.
        told: counts requests.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], platform: App, settings: Settings, drain: Drain, told: Told
    ) -> None:
        self.access, self.settings, self.drain, self._told = Access(settings), settings, drain, told
        self.endpoints = [endpoint for endpoint in endpoints if not self.access.is_closed(endpoint.audience)]
        self._routes: dict[str, dict[str, Endpoint]] = {}
        for endpoint in self.endpoints:
            self._routes.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._passed_on = {path for path, audience in PLATFORM_PATHS.items() if not self.access.is_closed(audience)}
        for_pages = {endpoint.path for endpoint in self.endpoints if endpoint.audience == "clients"}
        self.cors = Cors(settings.cors_origins, {path: self._routes[path] for path in for_pages})
        self._platform = platform
        self._room = Room(settings.max_held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "http":
            await self._platform(scope, receive, send)
            return
        request_id = request_id_of(header(scope, b"x-request-id"))
        token = logs.request_id.set(request_id)
        if self.drain.draining:
            send = with_close(send)
        preflight = None
        try:
            methods = self._routes.get(scope["path"])
            if self.cors.allows(scope):
                send, preflight = self.cors.shown(scope, send), self.cors.preflight(scope)
            if methods is None and scope["path"] in self._passed_on:
                await self._pass_on(scope, receive, send, request_id)
            else:
                reply = preflight or await self._reply(methods, scope, receive, request_id)
                await send_reply(send, reply, request_id, with_body=scope["method"] != "HEAD")
        except ClientGone:
            logger.info("client left before its body was complete", extra={"path": scope["path"]})
        finally:
            logs.request_id.reset(token)

    async def _reply(
        self, methods: dict[str, Endpoint] | None, scope: Scope, receive: Receive, request_id: str
    ) -> Reply:
        place, limits = Place(self._room), self.settings
        try:
            endpoint = _endpoint(methods, scope["method"])
            self.access.check(endpoint.audience, header(scope, b"authorization"), changes=endpoint.bearer)
            body = b""
            if endpoint.takes_body:
                body = await read_json(scope, receive, limits.max_body_bytes, limits.body_timeout_seconds, place)
            return await self.answer(endpoint, Request(scope, body), request_id)
        except PlumblineError as error:  # `answer` raises none
            return self._refuse(error, scope["path"] if methods else OTHER, request_id)
        finally:
            place.leave()

    async def answer(self, endpoint: Endpoint, request: Request, request_id: str) -> Reply:
        """What the endpoint answers, or the refusal; raises nothing but the cancellation of a client that left."""
        try:
            if not body_values.passes(request.body, endpoint.most_values):
                await aside(len(request.body) > LARGE_BYTES, body_values.check, request.body, endpoint.most_values)
            reply = await endpoint.handle(request)
            self._told(endpoint.path, None)
        except PlumblineError as error:
            reply = self._refuse(_explained(error, request.scope), endpoint.path, request_id)
        except Exception as error:
            reply = self._refuse(_unexpected(error), endpoint.path, request_id)
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("request", extra={"path": endpoint.path, "status": reply.status})
        return reply

    def _refuse(self, error: PlumblineError, path: str, request_id: str) -> Reply:
        self._told(path, error)
        return refuse(error, path, request_id)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        outgoing = _Reshaped(send, request_id)
        try:
            self.access.check(PLATFORM_PATHS[scope["path"]], header(scope, b"authorization"))
            await self._platform(scope, receive, outgoing)
        except Exception as error:
            if outgoing.started:
                raise
            refusal = error if isinstance(error, PlumblineError) else _unexpected(error)
            await send_reply(send, self._refuse(refusal, OTHER, request_id), request_id)


class _Reshaped:
    """A `send` that lets good answers through and turns the platform's error answers into ours."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send, self._request_id = send, request_id
        self._refused = False
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._refused:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        self.started = True
        if message["status"] >= 400:
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in message["headers"]}
            self._refused = True
            # at once and whole: its own body is dropped, and it may yet raise instead of sending one
            reply = refuse(problems.from_status(message["status"], headers), OTHER, self._request_id)
            await send_reply(self._send, reply, self._request_id)
            return
        await self._send({**message, "headers": [*message["headers"], (b"x-request-id", self._request_id.encode())]})


def refuse(error: PlumblineError, path: str, request_id: str) -> Reply:
    """The answer for an error, and its line in the log, which names codes, rules and known fields only."""
    level = _level(error)
    listed = error.extension.get("errors", [])
    broken = [f"{_place(item)}: {item['rule']}" for item in listed if item["rule"] != "extra_forbidden"]
    extra = {"path": path, "status": error.status, "code": error.code, "broken": broken[:20]}
    logger.log(level, "refused", extra=extra, exc_info=error if level == logging.ERROR else None)
    return Reply(*problems.answer(error, request_id))


def _place(listed: Mapping[str, Any]) -> str:
    """The field, or the row as a whole."""
    return str(listed["field"]) or (f"rows.{listed['row']}" if "row" in listed else "")


def _explained(error: PlumblineError, scope: Scope) -> PlumblineError:
    if isinstance(error, MalformedJson | TooLarge) and header(scope, b"content-encoding") not in (b"", b"identity"):
        return UnsupportedMediaType("Send the body as it is: it must not be compressed or encoded.")
    return error


def _level(error: PlumblineError) -> int:
    if isinstance(error, NotReady):
        return logging.DEBUG  # probes ask all the time; the reason is logged once, where it arises
    return logging.ERROR if isinstance(error, Internal) else logging.INFO


def _unexpected(error: Exception) -> Internal:
    internal = Internal("The log has the cause under this request id.")
    internal.__cause__ = error
    return internal


def _endpoint(methods: dict[str, Endpoint] | None, method: str) -> Endpoint:
    if methods is None:
        raise NotFound("No such path; /docs.json lists the API.")
    endpoint = methods.get("GET" if method == "HEAD" else method)
    if endpoint is None:
        allowed = ", ".join(sorted(methods))
        raise MethodNotAllowed(f"Use {allowed} here.", headers={"Allow": allowed})
    return endpoint


def request_id_of(given: bytes) -> str:
    """The client's own id of a request if it is well formed, else a new one."""
    return given.decode() if _CLIENT_ID.fullmatch(given) else _random_bits(128).to_bytes(16).hex()
