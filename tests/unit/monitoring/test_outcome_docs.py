"""docs/outcomes.md names every reason for which an outcome can be refused, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from schemas.outcomes import RefusalReason

PAGE = Path(__file__).parents[3] / "docs" / "outcomes.md"


def test_every_reason_is_documented() -> None:
    table = PAGE.read_text().partition("<!-- reasons -->")[2].partition("<!-- /reasons -->")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == get_args(RefusalReason)
