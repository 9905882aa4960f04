"""Every way a request can fail, and the one shape in which a client hears of it (RFC 9457).

PlumblineError
  BadRequest 400               the platform refused the request
  MalformedJson 400            the body is not JSON
  Unauthorised 401             a token is needed and was not given
  Forbidden 403                this is switched off or not for you
  NotFound 404                 no such path
    UnknownVersion 404         that model version is not live
  MethodNotAllowed 405         the path exists, the method does not
  SlowBody 408                 the body did not arrive in time
  Conflict 409                 another change came first, or the place cannot be changed
  TooLarge 413                 body over the limit of bytes or of JSON values
  UnsupportedMediaType 415     the body is not application/json
  InvalidInput 422             the body breaks the schema; names field, rule and limit
  TooManyRequests 429          the platform's own concurrency limit
  HeadTooLarge 431             request line and headers over the limit
  Internal 500                 a defect of ours; the log has it under the request id
    PreprocessingFailed 500    the pipeline raised on a valid row; names it if it fails by itself
    InferenceFailed 500        the model raised or gave a wrong answer; names the row too
  Unavailable 503              try again later
    NotReady 503               no model version is loaded yet
    Overloaded 503             the queue is full
  TimedOut 504                 the deadline passed before the answer
"""

from __future__ import annotations

from typing import (
    Annotated,
    Any,
    ClassVar,
    NotRequired,  # pydantic asks for these before Python 3.12
)

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict


@with_config(ConfigDict(title="FieldError"))
class FieldError(TypedDict):
    """One broken rule of one field, or of a row as a whole. The refused value itself is never repeated."""

    row: NotRequired[Annotated[int, Field(description="Which row of a request for many, counted from 0")]]
    field: Annotated[str, Field(description="Name of the field; empty for a row as a whole", examples=["a_feature"])]
    rule: Annotated[str, Field(description="The rule; programs read it", examples=["greater_than_equal"])]
    message: Annotated[str, Field(description="The rule in words")]
    limit: Annotated[Any, Field(description="The limit that was broken; null where the rule has none", examples=[100])]


@with_config(ConfigDict(title="Problem"))
class Problem(TypedDict):
    """RFC 9457 problem details. `code` is stable: programs read it; `detail` is for people."""

    type: Annotated[str, Field(description="A URN that ends in the code")]
    title: Annotated[str, Field(description="What kind of problem it is; the same for every problem of a code")]
    status: Annotated[int, Field(description="The HTTP status")]
    detail: Annotated[str, Field(description="What happened and what to do, for people")]
    code: Annotated[str, Field(description="Stable; programs read it. Later versions may have more codes")]
    request_id: Annotated[str, Field(description="Finds this request in the log; also the header X-Request-ID")]
    errors: NotRequired[
        Annotated[
            list[FieldError],
            Field(
                description="Of `validation`: at most 100 broken fields. Of `preprocessing` and `inference` for many "
                "rows: the first row that fails by itself, if one does"
            ),
        ]
    ]
    live_versions: NotRequired[Annotated[list[str], Field(description="Of `unknown_version`: those that are live")]]


class PlumblineError(Exception):
    """Base of all domain errors.

    Args:
        detail: what happened and what to do, for the client; never holds a rejected value.
        extension: further members of the problem document.
        headers: response headers that belong to this error, such as Retry-After.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(
        self, detail: str, *, extension: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extension = extension or {}
        self.headers = headers or {}


class MalformedJson(PlumblineError):
    """The body is not JSON."""

    code, status, title = "malformed_json", 400, "The body is not valid JSON"


class BadRequest(PlumblineError):
    """The platform refused the request and no other code says why."""

    code, status, title = "bad_request", 400, "The request is not understood"


class Unauthorised(PlumblineError):
    """A token is needed and was not given, or is wrong."""

    code, status, title = "unauthorised", 401, "A valid token is needed"


class Forbidden(PlumblineError):
    """This is switched off, or not for this caller."""

    code, status, title = "forbidden", 403, "This is not allowed"


class NotFound(PlumblineError):
    """No such path."""

    code, status, title = "not_found", 404, "There is nothing here"


class UnknownVersion(NotFound):
    """That model version is not live; the answer lists those that are."""

    code, status, title = "unknown_version", 404, "That model version is not live"


class MethodNotAllowed(PlumblineError):
    """The path exists, the method does not."""

    code, status, title = "method_not_allowed", 405, "That method is not allowed here"


class SlowBody(PlumblineError):
    """The body did not arrive in time."""

    code, status, title = "slow_body", 408, "The body did not arrive in time"


class Conflict(PlumblineError):
    """Another change came first, or the place cannot be changed."""

    code, status, title = "conflict", 409, "The change does not fit what is there"


class TooLarge(PlumblineError):
    """Body over the limit of bytes, or with more JSON values than any valid request."""

    code, status, title = "too_large", 413, "The request is too large"


class UnsupportedMediaType(PlumblineError):
    """The body is not application/json."""

    code, status, title = "unsupported_media_type", 415, "The body must be application/json"


class InvalidInput(PlumblineError):
    """The body breaks the schema; `errors` names each field, rule and limit."""

    code, status, title = "validation", 422, "The input breaks the schema"


class TooManyRequests(PlumblineError):
    """The platform's own concurrency limit was reached."""

    code, status, title = "too_many_requests", 429, "Too many requests at once"


class HeadTooLarge(PlumblineError):
    """Request line and headers over the limit."""

    code, status, title = "head_too_large", 431, "The request line and headers are too large"


class Internal(PlumblineError):
    """A defect of ours; the log has it under the request id."""

    code, status, title = "internal", 500, "Something went wrong on our side"


class PreprocessingFailed(Internal):
    """The pipeline raised on a valid row."""

    code, status, title = "preprocessing", 500, "The features could not be computed"


class InferenceFailed(Internal):
    """The model raised, or its answer has the wrong length or is not a number."""

    code, status, title = "inference", 500, "The model could not answer"


class Unavailable(PlumblineError):
    """Try again later."""

    code, status, title = "unavailable", 503, "The service is not available right now"


class NotReady(Unavailable):
    """No model version is loaded yet."""

    code, status, title = "not_ready", 503, "No model version is loaded yet"


class Overloaded(Unavailable):
    """The queue is full."""

    code, status, title = "overloaded", 503, "The service is overloaded"


class TimedOut(PlumblineError):
    """The deadline passed before the answer."""

    code, status, title = "timeout", 504, "The answer took too long"


def all_errors(root: type[PlumblineError] = PlumblineError) -> list[type[PlumblineError]]:
    """Every concrete error class, by status and code."""
    found = [cls for sub in root.__subclasses__() for cls in (sub, *all_errors(sub))]
    return sorted(found, key=lambda cls: (cls.status, cls.code))
