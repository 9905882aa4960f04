"""Structured logs: one JSON object a line, with the id of the request that it belongs to."""

from __future__ import annotations

import logging
import logging.config
import sys
from contextvars import ContextVar

from pythonjsonlogger.orjson import OrjsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that this task works on; empty outside requests."""

FIELDS = "{asctime}{levelname}{name}{message}"
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        current = request_id.get()
        if current and not hasattr(record, "request_id"):
            record.request_id = current
        return True


def configure(level: str) -> None:
    """Send all logs of this process to standard output as JSON lines.

    BentoML sets up its own handlers before it loads the service; they are replaced, so that every line of a
    worker has one form.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_RequestId())
    handler.setFormatter(OrjsonFormatter(FIELDS, style="{", rename_fields=RENAMED, datefmt="%Y-%m-%dT%H:%M:%S%z"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel("WARNING")
    for name in ("bentoml", "uvicorn", "uvicorn.error", "circus"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in ("serving", "registry", "monitoring"):
        logging.getLogger(name).setLevel(level)
