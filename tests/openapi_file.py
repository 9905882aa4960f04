"""Writes docs/openapi.json as the service gives it, and says what that means for clients of the last release.

    python -m tests.openapi_file              # make openapi: after every change of the API
    python -m tests.openapi_file --released   # make openapi-released: once, when a version of the API goes out

docs/openapi-released.json holds what was promised, without prose. It is a file and not the document at the last tag, so
that a clone without tags or history can be checked too, and the promise changes only when someone says so.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from tests.contract.compatibility import contract, verdict
from tests.inprocess import InProcess
from tests.served import ROOT

PRESENT, RELEASED = ROOT / "docs" / "openapi.json", ROOT / "docs" / "openapi-released.json"


def served() -> dict[str, Any]:
    """The document as a service with the default settings gives it. It is not started, and needs no model."""
    document: dict[str, Any] = (
        InProcess(importlib.import_module("service").HousePrices).request("GET", "/docs.json").json()
    )
    return document


def read(file: Any) -> dict[str, Any]:
    """One of the two documents."""
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def text(document: dict[str, Any]) -> str:
    """A document as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write, and give 1 if the version number does not fit."""
    for name in [name for name in os.environ if name.startswith("PLUMBLINE_")]:
        del os.environ[name]  # the document of the default settings
    document = served()
    PRESENT.write_text(text(document), encoding="utf-8")
    if "--released" in sys.argv[1:]:
        version = {"info": {"version": document["info"]["version"]}}
        RELEASED.write_text(text({**version, **contract(document)}), encoding="utf-8")
    found = verdict(read(RELEASED), document)
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
