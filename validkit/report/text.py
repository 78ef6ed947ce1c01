"""How numbers are written: one rounding rule for the page, the figures and the terminal.

Three decimals; none from 1,000 up, three significant digits from ten million up. Coefficients, importances and
penalties too small for that have three significant digits. p-values below 0.001 are "< 0.001". The CSV tables hold
unrounded numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from validkit.report.values import Estimate, Test

DASH = "—"
MINUS = "−"
NBSP = "\u00a0"
ROUNDING = (
    "Numbers are rounded to three decimals (none from 1,000 up; coefficients below 0.0005 to three significant "
    "digits); p-values below 0.001 are written < 0.001; the CSV tables hold unrounded numbers."
)
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def clean(text: object) -> str:
    """Text from a record on one line, without control, bidirectional or otherwise invisible characters."""
    return _CONTROL.sub("\ufffd", re.sub(r"[ \t\n\r\f\v]+", " ", str(text)))


def number(x: float, digits: int = 3) -> str:
    """`x` under the rounding rule; NaN is a dash, a minus is a minus sign."""
    if math.isnan(x):
        return DASH
    if math.isinf(x):
        return "∞" if x > 0 else f"{MINUS}∞"
    if 1000 <= abs(x) < 10_000_000:
        return f"{x:,.0f}".replace("-", MINUS)
    if abs(x) >= 10_000_000:
        return _scientific(x)
    return f"{x if abs(x) >= 0.5 * 10**-digits else 0.0:.{digits}f}".replace("-", MINUS)


def fine(x: float, digits: int = 3) -> str:
    """`x` as `number` writes it, but a small one that is not zero with three significant digits."""
    return _scientific(x) if 0 < abs(x) < 0.5 * 10**-digits else number(x, digits)


def _scientific(x: float) -> str:
    mantissa, exponent = f"{x:.2e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS, 1)


def whole(n: float | None) -> str:
    """A count, thousands separated by commas; None or NaN is a dash."""
    return DASH if n is None or math.isnan(n) else f"{n:,.0f}"


def percent(share: float, digits: int = 1) -> str:
    """A share of one as a percentage."""
    return DASH if math.isnan(share) else f"{100 * share:.{digits}f} %".replace("-", MINUS)


def threshold(share: float) -> str:
    """A threshold probability as a percentage, without trailing zeros."""
    return DASH if math.isnan(share) else f"{100 * share:.4g} %"


def p_value(p: float) -> str:
    """A p-value: three decimals, "< 0.001" below that, "> 0.999" above."""
    if math.isnan(p):
        return DASH
    if p < 0.001:
        return "< 0.001"
    return "> 0.999" if p > 0.999 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """`p = 0.012` or `p < 0.001`."""
    text = p_value(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def interval(e: Estimate, write: Callable[[float], str] = number) -> str:
    """`[0.660, 0.868]`, or nothing where there is no interval."""
    return f"[{write(e.low)}, {write(e.high)}]" if e.has_interval else ""


def estimate(e: Estimate, write: Callable[[float], str] = number) -> str:
    """`0.764 [0.660, 0.868]`; a dash where undefined."""
    return f"{write(e.value)} {interval(e, write)}".strip() if e.defined else DASH


def level(x: float) -> str:
    """`95 %`."""
    return "" if math.isnan(x) else f"{100 * x:.4g} %"


def counts(n: int | None, events: int | None) -> str:
    """`n = 127, 31 events`, held together at the end of a line."""
    return f"n{NBSP}={NBSP}{whole(n)}, {whole(events)}{NBSP}{'event' if events == 1 else 'events'}"


def how(e: Estimate) -> str:
    """What stands behind an estimate: level, method, n and events."""
    parts = [f"{level(e.level)} interval: {e.method}" if e.has_interval else e.method and f"method: {e.method}"]
    parts += [counts(e.n, e.n_events)] if e.n is not None else []
    return "; ".join(p for p in parts if p)


def test_how(t: Test) -> str:
    """What stands behind a test: method, statistic, degrees of freedom, n and events."""
    parts = [t.method] if t.method else []
    parts += [f"statistic {number(t.statistic)}"] if not math.isnan(t.statistic) else []
    parts += [f"{t.df:g} df"] if not math.isnan(t.df) else []
    parts += [counts(t.n, t.n_events)] if t.n is not None else []
    return "; ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as `0.4 s`, `12 s`, `4 min 12 s` or `1 h 05 min`."""
    if math.isnan(seconds):
        return DASH
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    return f"{s // 60} min {s % 60:02d} s" if s < 3600 else f"{s // 3600} h {s % 3600 // 60:02d} min"


def capital(words: str) -> str:
    """The words with a capital first letter."""
    return words[:1].upper() + words[1:]


def listed(items: list[str], most: int = 8) -> str:
    """`a, b and c`; longer lists end in "and 12 more"."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"
