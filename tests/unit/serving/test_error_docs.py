"""docs/errors.md lists every error with what a client and an operator need, and nothing else."""

from __future__ import annotations

import re

from schemas.errors import PlumblineError, all_errors
from tests.unit.serving.documented import between_markers

HEAD = "| Code | Status | Title | When | What to do |"


def _rows() -> dict[str, list[str]]:
    head, _, *lines = between_markers("errors.md", "errors").splitlines()
    assert head == HEAD
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({cells[0] for cells in split}) == len(split), "a code is listed twice"
    return {cells[0].strip("`"): cells for cells in split}


def test_every_error_is_documented_and_nothing_else() -> None:
    listed = list(_rows())
    assert listed == [error.code for error in all_errors()]


def test_codes_are_unique_and_stable_words() -> None:
    codes = [error.code for error in all_errors()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)


def test_status_and_title_are_those_of_the_code() -> None:
    documented = {code: (cells[1], cells[2]) for code, cells in _rows().items()}
    assert documented == {error.code: (str(error.status), error.title) for error in all_errors()}


def test_each_says_when_it_happens_and_what_to_do() -> None:
    for code, cells in _rows().items():
        when, remedy = cells[3:]
        assert len(when) > 10, code
        assert len(remedy) > 10, code


def test_every_class_has_a_code_of_its_own() -> None:
    for error in all_errors():
        assert issubclass(error, PlumblineError)
        assert "code" in vars(error), error
