"""Bounds how many JSON values a body holds, before anything parses it.

A parser builds everything before it can refuse anything: 8 MiB of empty lists cost it some hundred times the time and
the memory of being counted. A value is the body itself, or stands in a list or an object, so there are at most as many
as commas and opening brackets outside of strings, and one: what is counted here is never less than what is built.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from schemas.errors import TooLarge
from schemas.features import Features

HARMLESS = 8192
"""So many values cost a few milliseconds at most, whatever they are: a body that can hold no more is not counted."""

MORE_FIELDS = 8
"""So many fields too many in every row are still named one by one."""

_CHUNK = 64 * 1024  # its intermediate arrays stay in the processor's cache
_QUOTE, _COMMA, _OPENING = ord('"'), ord(","), ord("{")
_CASE = ord("{") ^ ord("[")

Octets = npt.NDArray[np.uint8]


def most_values(rows: int, fields: int) -> int:
    """A bound that no valid body of so many rows reaches, nor one that is merely invalid.

    A row of n fields has n commas, one before the next row, and a bracket; as columns the same has fewer. A tenth more
    rows than are allowed, and some more fields in each, still get an answer that names what is wrong.

    Args:
        rows: most rows of a request.
        fields: members of each.
    """
    return max(HARMLESS, (rows + rows // 10) * (fields + MORE_FIELDS + 1))


def of_features(rows: type[Features], max_rows: int) -> int:
    """The bound of a request for many rows of a model."""
    return most_values(max_rows, len(rows.columns()))


def passes(body: bytes, most: int) -> bool:
    """Whether a body surely holds no more than `most` values, at a glance: 8 MiB in a millisecond."""
    return len(body) <= most or _marks(body) < most  # each value but the first has a mark of its own


def check(body: bytes, most: int) -> None:
    """Let a body pass, or not; one that does not pass at a glance takes some 20 times as long.

    Raises:
        TooLarge: it holds more than `most` values.
    """
    if not passes(body, most) and _marks_outside_strings(body, most) >= most:
        raise TooLarge(
            f"The body holds more than {most} values, which no valid request does; send fewer rows at a time, "
            "and nothing but the fields of /docs.json."
        )


def _marks(body: bytes) -> int:
    """Commas and opening brackets anywhere, those in strings too."""
    octets = np.frombuffer(body, np.uint8)
    return sum(
        int(np.count_nonzero(_are_marks(octets[start : start + _CHUNK]))) for start in range(0, len(octets), _CHUNK)
    )


def _marks_outside_strings(body: bytes, enough: int) -> int:
    """The same outside of strings, until there are enough."""
    if b"\\" in body:  # without escapes every quote begins or ends a string
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    octets, found, inside = np.frombuffer(body, np.uint8), 0, 0
    for start in range(0, len(octets), _CHUNK):
        chunk = octets[start : start + _CHUNK]
        quotes = np.cumsum(chunk == _QUOTE, dtype=np.uint8) + np.uint8(inside)  # it may overflow: it stays odd or even
        inside = int(quotes[-1]) & 1
        found += int(np.count_nonzero(_are_marks(chunk) & (quotes & 1 == 0)))
        if found >= enough:
            break
    return found


def _are_marks(octets: Octets) -> npt.NDArray[np.bool_]:
    marks: npt.NDArray[np.bool_] = (octets == _COMMA) | (octets | _CASE == _OPENING)
    return marks
