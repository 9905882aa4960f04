"""The parts of a page that is one file: it loads nothing, needs no script, and reads on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from monitoring.report_features import Bin
from monitoring.svg_charts import percent_text

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content-Security-Policy of the page: whatever a log holds, nothing runs and nothing is loaded."""

SHADES = 8
"""How many colours there are for parts of a chart: the classes s0 to s7."""

STYLE = Path(__file__).with_name("report.css")


def page(title: str, body: str) -> bytes:
    """The whole file, UTF-8. `title` is text, `body` is HTML."""
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text()}</style></head>\n<body>\n"
    )
    return (head + body + "\n</body></html>\n").encode("utf-8", "replace")  # a log may hold half a character


def section(title: str, note: str, body: str) -> str:
    """A part of the page; nothing without a body. `note` and `title` are text, `body` is HTML."""
    if not body:
        return ""
    said = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>\n"


def cards(parts: Sequence[str], are_equal: bool = True) -> str:
    """Cards beside each other where there is room, of equal height or not; empty ones are left out."""
    present = "".join(part for part in parts if part)
    return f'<div class="cards{"" if are_equal else " loose"}">{present}</div>' if present else ""


def wide_card(body: str) -> str:
    """A card over the whole width; nothing without a body."""
    return f'<div class="card apart">{body}</div>' if body else ""


def card(title: str, body: str, note: str = "", key: Sequence[tuple[str, str]] = (), mark: str = "") -> str:
    """A chart or table with its title.

    Args:
        title, note: text.
        body: HTML; without it there is no card.
        key: name and style class of what is drawn.
        mark: a word beside the title that says what moved.
    """
    if not body:
        return ""
    keys = "".join(f"<li>{_swatch(style)}{escape(name)}</li>" for name, style in key)
    said = f'<p class="quiet">{escape(note)}</p>' if note else ""
    marked = f"<b>{escape(mark)}</b>" if mark else ""
    moved = " moved" if mark.endswith("moved") else ""
    listed = f'<ul class="key">{keys}</ul>' if keys else ""
    return f'<div class="card{moved}"><h3>{marked}{escape(title)}</h3>{body}{listed}{said}</div>'


def glance(figures: Sequence[tuple[str, str, str]]) -> str:
    """Figures in large type: name, figure, and a few words more."""
    items = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(figure)}<small>{escape(more)}</small></dd></div>"
        for name, figure, more in figures
    )
    return f'<dl class="glance">{"".join(items)}</dl>'


def notice(text: str) -> str:
    """What the reader must know before anything else."""
    return f'<p class="notice" role="note">{escape(text)}</p>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; the first column names the row. On a phone each row is a block of its own."""
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(
            f'<td data-name="{escape(name)}">{escape(cell)}</td>' for name, cell in zip(head[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="figures"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def bins_table(bins: Sequence[Bin]) -> str:
    """A distribution beside its reference, a bar each; bins that moved say by how much."""
    if not bins:
        return ""
    most = max(max(bin_.reference, bin_.live) for bin_ in bins)
    return f'<table class="bins"><tbody>{"".join(_bin_row(bin_, most) for bin_ in bins)}</tbody></table>'


def _bin_row(bin_: Bin, most: float) -> str:
    widths = (100 * bin_.reference / most, 100 * bin_.live / most)
    change = f" {'▲' if bin_.live > bin_.reference else '▼'}" if bin_.moved else ""
    label = escape(bin_.label).replace("-", "&#8209;")  # a date or a minus sign is not torn apart
    said = f"reference {percent_text(bin_.reference)}, live {percent_text(bin_.live)}"
    return (
        f'<tr{" class=moved" if bin_.moved else ""} title="{said}"><th scope="row">{label}</th>'
        f'<td><i class="reference" style="width:{widths[0]:.1f}%"></i><i style="width:{widths[1]:.1f}%"></i></td>'
        f'<td class="share">{percent_text(bin_.live)}{change}</td></tr>'
    )


def _swatch(style: str) -> str:
    if style in ("guide", "soft"):
        shape = (
            '<path class="guide" d="M0 5H10"/>' if style == "guide" else '<rect class="band" width="10" height="10"/>'
        )
        return f'<svg viewBox="0 0 10 10" aria-hidden="true">{shape}</svg>'
    return f'<svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{style}" width="10" height="10"/></svg>'
