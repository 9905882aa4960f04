"""The tree of errors: stable codes, valid statuses, and a drawing that shows every class."""

from __future__ import annotations

import re

import pytest

from schemas import errors
from schemas.errors import PlumblineError, all_errors

ALL = all_errors()

CODES = {
    "bad_request": 400,
    "malformed_json": 400,
    "unauthorised": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_version": 404,
    "method_not_allowed": 405,
    "slow_body": 408,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "validation": 422,
    "too_many_requests": 429,
    "head_too_large": 431,
    "internal": 500,
    "preprocessing": 500,
    "inference": 500,
    "unavailable": 503,
    "not_ready": 503,
    "overloaded": 503,
    "timeout": 504,
}
"""Clients' programs read these: a new one may come, none may change or go."""


def drawn() -> dict[str, tuple[int, int]]:
    """Class name to depth and status, as the docstring of schemas/errors.py draws them."""
    lines = re.findall(r"^( +)(\w+) (\d{3}) +\S", errors.__doc__ or "", flags=re.MULTILINE)
    return {name: (len(indent) // 2, int(status)) for indent, name, status in lines}


def test_the_codes_that_clients_know_are_still_there_with_their_statuses() -> None:
    found = {cls.code: cls.status for cls in ALL}
    assert {code: found.get(code) for code in CODES} == CODES


def test_codes_are_unique() -> None:
    assert len({cls.code for cls in ALL}) == len(ALL)


def test_errors_are_listed_by_status_and_code() -> None:
    assert [(cls.status, cls.code) for cls in ALL] == sorted((cls.status, cls.code) for cls in ALL)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_class_has_its_own_code_status_and_title(cls: type[PlumblineError]) -> None:
    assert {"code", "status", "title"} <= set(vars(cls))
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code)
    assert 400 <= cls.status <= 599
    assert cls.title
    assert not cls.title.endswith(".")
    assert cls.__doc__


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    found = {cls.__name__: (len(cls.__mro__) - len(PlumblineError.__mro__), cls.status) for cls in ALL}
    assert drawn() == found


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_class_is_drawn_below_its_parent(cls: type[PlumblineError]) -> None:
    above = [name for name, (depth, _) in drawn().items() if depth == drawn()[cls.__name__][0] - 1]
    parents = [
        name
        for name in above
        if (errors.__doc__ or "").index(f" {name} ") < (errors.__doc__ or "").index(f" {cls.__name__} ")
    ]
    expected = cls.__mro__[1].__name__
    assert expected == "PlumblineError" or parents[-1] == expected


def test_an_error_carries_what_the_client_is_told() -> None:
    error = errors.Overloaded("Try again.", headers={"Retry-After": "1"}, extension={"queue": 3})
    assert (str(error), error.detail) == ("Try again.", "Try again.")
    assert (error.headers, error.extension) == ({"Retry-After": "1"}, {"queue": 3})


def test_errors_do_not_share_their_headers() -> None:
    errors.NotReady("one").headers["Retry-After"] = "1"
    assert errors.NotReady("two").headers == {}
