"""Tables of the documentation that are written from the code, between two marker comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; pipes in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def between_markers(page: str, name: str) -> str:
    """What a page of docs/ holds between `<!-- name -->` and `<!-- /name -->`."""
    found = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", (DOCS / page).read_text(), re.DOTALL)
    assert found, f"docs/{page} has no markers for {name}"
    return found[1]
