"""From any failure to the one error answer: application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.errors import (
    BadRequest,
    FieldError,
    Internal,
    InvalidInput,
    MalformedJson,
    PlumblineError,
    Problem,
    TooManyRequests,
    Unavailable,
    all_errors,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_FIELD_ERRORS = 100
"""Field errors listed in one answer; a bulk request may have thousands."""

MANY_ERRORS = 1000
"""More are written as JSON, of which only the start is read: a third of the time, and a tenth of the memory."""

RETRY_SECONDS = "1"
"""Retry-After of an answer that says "later" and not when: clients can rely on the header."""

Headers = list[tuple[bytes, bytes]]

_LIMIT_KEYS = ("ge", "gt", "le", "lt", "multiple_of", "pattern", "max_length", "min_length", "expected")


def answer(error: PlumblineError, request_id: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an error's answer."""
    problem = Problem(
        type=f"urn:plumbline:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
    )
    always = {"retry-after": RETRY_SECONDS} if error.status in (TooManyRequests.status, Unavailable.status) else {}
    own = {name.lower(): value for name, value in error.headers.items()}
    headers = [(name.encode(), value.encode()) for name, value in {**always, **own}.items()]
    return (
        error.status,
        [(b"content-type", MEDIA_TYPE.encode()), *headers],
        orjson.dumps({**problem, **error.extension}),
    )


def validated(model: type[Any], body: bytes) -> Any:
    """The body as the model has it.

    Raises:
        InvalidInput, MalformedJson: it breaks the schema, or is no JSON.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from None


def from_validation(error: ValidationError) -> PlumblineError:
    """A pydantic error as ours: malformed JSON, or a list of broken fields that never repeats a value."""
    count, details = error.error_count(), listed(error)
    if count == 1 and details[0]["type"] == "json_invalid":
        reason = str(details[0].get("ctx", {}).get("error", "it cannot be parsed"))
        return MalformedJson(f"The body is not valid JSON: {reason}.")
    return invalid(details, count)


def listed(error: ValidationError) -> list[Any]:
    """Details of an error, as pydantic describes them: all, or of very many those that an answer lists."""
    if error.error_count() > MANY_ERRORS:
        return _first_of_many(error)
    return error.errors(include_url=False, include_input=False)


def _first_of_many(error: ValidationError) -> list[Any]:
    """The errors that are listed, without making objects of the hundred thousands that a bulk request may have."""
    written, decoder = error.json(include_url=False, include_input=False), json.JSONDecoder()
    found, end = list[Any](), 0
    while len(found) < MAX_FIELD_ERRORS:
        detail, end = decoder.raw_decode(written, end + 1)  # after the bracket or a comma
        found.append(detail)
    return found


def invalid(details: Sequence[Mapping[str, Any]], count: int | None = None) -> InvalidInput:
    """Broken fields, as pydantic describes them (`type`, `loc`, `msg`, `ctx`), as one error.

    Args:
        count: how many there are in all, if not all are given.
    """
    count = len(details) if count is None else count
    listed = [_field_error(detail) for detail in details[:MAX_FIELD_ERRORS]]
    more = f"; the first {MAX_FIELD_ERRORS} are listed" if count > MAX_FIELD_ERRORS else ""
    detail = f"{count} field{'s break' if count > 1 else ' breaks'} the schema{more}.{_hint(details)}"
    return InvalidInput(detail, extension={"errors": listed})


def _hint(details: Sequence[Mapping[str, Any]]) -> str:
    """What a body should look like that has its rows in another place, as other servers have it."""
    broken = [(detail["type"], tuple(detail["loc"])) for detail in details]
    if ("model_type", ()) in broken:
        return " The body itself must be an object; /docs has examples."
    absent = [place[0] for rule, place in broken if rule == "missing" and len(place) == 1 and place[0] in _SHAPES]
    loose = any(rule == "extra_forbidden" and len(place) == 1 for rule, place in broken)
    return f" The body should look like {_SHAPES[absent[0]]}." if absent and loose else ""


_SHAPES = {
    "features": '{"features": {"name": value, ...}}',
    "rows": '{"rows": [{"name": value, ...}, ...]}',
    "columns": '{"columns": {"name": [value, ...], ...}}',
}
"""Bodies, by what they must have."""


def from_status(status: int, headers: dict[str, str]) -> PlumblineError:
    """An error answer of BentoML's own layers as ours; its body is dropped, its status kept."""
    classes = {cls.status: cls for cls in reversed(all_errors()) if cls.code in _PLATFORM_CODES}
    error = classes.get(status, BadRequest if status < 500 else Internal)
    kept = {name: value for name, value in headers.items() if name in ("allow", "retry-after")}
    return error(_PLATFORM_DETAILS.get(status, error.title + "."), headers=kept)


_PLATFORM_CODES = {
    *("bad_request", "unauthorised", "forbidden", "not_found", "method_not_allowed", "too_large"),
    *("unsupported_media_type", "validation", "too_many_requests", "internal", "unavailable", "timeout"),
}

_PLATFORM_DETAILS = {
    404: "No such path; /docs.json lists the API.",
    405: "The path exists, but not with this method; the Allow header lists those that do.",
    429: "The service has as many requests as it takes at once; try again soon.",
    500: "The log has the cause under this request id.",
    503: "The service cannot answer right now; try again soon.",
    504: "The deadline passed before the answer; try again, with fewer rows if there were many.",
}


def _field_error(detail: Mapping[str, Any]) -> FieldError:
    location = list(detail["loc"])
    row = location[1] if location[:1] == ["rows"] and len(location) > 1 else None
    location = location[2:] if row is not None else location
    location = location[1:] if location[:1] in (["features"], ["columns"]) and len(location) > 1 else location
    field, _, rule = str(detail["type"]).rpartition(".")
    if field:  # a rule across fields names its field itself: "effective_age_years.at_most_age_years"
        location = [field]
    context = detail.get("ctx", {})
    limit = next((context[key] for key in _LIMIT_KEYS if key in context), None)
    error = FieldError(field=".".join(map(str, location)), rule=rule, message=detail["msg"], limit=limit)
    if row is not None:
        error["row"] = int(row)
    return error
