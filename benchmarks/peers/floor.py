"""The floor: what uvicorn alone gives for a request of this size and an answer of this size."""

from __future__ import annotations

import os
from pathlib import Path

from serving.asgi import JSON, Receive, Scope, Send

ANSWER = Path(os.environ["BENCH_ANSWER"]).read_bytes()
HEADERS = [JSON, (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, send the constant."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
