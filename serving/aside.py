"""The thread for what a large request needs beside the model: its body is read there, and its answer written.

One for the whole process. Parsers and writers hold the interpreter, so a second could do nothing meanwhile, and of
several idle threads each new piece of work wakes two. And a parser takes many times a body's memory: no two at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

Got = TypeVar("Got")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")


async def aside(large: bool, work: Callable[..., Got], *arguments: Any) -> Got:
    """Do the work: there if it is large, after what others have there; else at once. It raises what the work raises."""
    if not large:
        return work(*arguments)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, copy_context().run, work, *arguments)
