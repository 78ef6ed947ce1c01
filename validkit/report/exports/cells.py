"""Text in a spreadsheet is text: no name, label or id from a record may start a formula."""

from __future__ import annotations

import math
import re
from typing import Any

from validkit.report.text import clean

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FORMULA = tuple("=+-@＝＋－＠")
_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
MOST_CHARACTERS = 32_767
"""that a cell of Excel's holds"""


def starts_formula(words: str) -> bool:
    """Whether a spreadsheet might compute with text that starts like this; numbers written as text too."""
    return words.lstrip().startswith(_FORMULA)


def safe(value: Any) -> Any:
    """A value for a CSV cell: text that would start a formula gets a leading apostrophe, plain numbers do not."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return repr(value)
    words = clean(value)
    return f"'{words}" if starts_formula(words) and not _NUMBER.fullmatch(words) else words


def sheet_text(value: object) -> str:
    """Text for a cell of a workbook: one line, no longer than Excel takes, and nothing Excel would decode."""
    words = _ESCAPED.sub("_x005F_", clean(value))
    return words if len(words) <= MOST_CHARACTERS else f"{words[: MOST_CHARACTERS - 1]}…"
