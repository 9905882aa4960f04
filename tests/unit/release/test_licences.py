"""What a release holds may be given away, and the page that says so is right."""

from __future__ import annotations

import pytest

from release.licences import PAGE, objections, page, row
from release.packages import UNKNOWN, Package, locked, packages


def test_every_package_of_a_release_has_a_licence_that_is_known_to_be_harmless() -> None:
    assert objections(packages()) == []


def test_the_page_has_every_package_with_its_licence() -> None:
    lines = PAGE.read_text().splitlines()
    assert [package for package in packages() if row(package) not in lines] == []
    assert PAGE.read_text().startswith(page([]))


def test_the_lock_is_read_whole() -> None:
    names = {wanted.name for wanted in locked()}
    assert {"bentoml", "numpy", "pydantic", "skops", "uvloop", "xgboost-cpu"} <= names
    assert len(names) == len(locked()) > 70


@pytest.mark.parametrize(
    ("name", "licence", "harmless"),
    [
        ("x", "MIT", True),
        ("x", "Apache-2.0 AND (MIT OR 0BSD)", True),
        ("x", UNKNOWN, False),
        ("x", "GPL-3.0-only", False),
        ("x", "LGPL-2.1-or-later", False),
        ("x", "AGPL-3.0", False),
        ("x", "MIT AND GPL-2.0-only", False),
        ("x", "MPL-2.0", False),
        ("certifi", "MPL-2.0", True),
    ],
)
def test_a_licence_that_surprises_is_an_objection(name: str, licence: str, harmless: bool) -> None:
    assert (objections([Package(name, "1", licence)]) == []) == harmless
