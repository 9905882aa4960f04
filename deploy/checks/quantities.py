"""Kubernetes' quantities: 500m, 768Mi, 1e3."""

from __future__ import annotations

import re

_FORM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:(n|u|m|k|Ki|Mi|Gi|Ti|Pi|Ei|M|G|T|P|E)|[eE]([+-]?\d+))?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(text: object) -> float:
    """The number that a quantity stands for, in cores, bytes or pieces.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(str(text))
    if found is None or isinstance(text, bool):
        raise ValueError(f"{text!r} is not a quantity")
    number, suffix, exponent = float(found[1]), found[2] or "", int(found[3] or 0)
    if suffix in _BINARY:
        return number * float(1 << _BINARY[suffix])
    return float(number * 10.0 ** (_DECIMAL[suffix] + exponent))
