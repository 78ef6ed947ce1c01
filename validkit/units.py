"""Units of measurement, converted by the pint package."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from validkit.errors import InputError
from validkit.extras import require

__all__ = ["Conversion", "conversion"]

_LONGEST = 40
_PLAIN = re.compile(r"[A-Za-z\u00b5\u03bc\u00b0%0-9 ./*^()_-]+")
_POWER = re.compile(r"(\^|\*\*)-?[0-9]{1,2}(?![0-9^*])")


class Conversion(NamedTuple):
    """value there = intercept + slope x value here."""

    slope: float
    intercept: float = 0.0

    def __call__(self, value: float) -> float:
        """A value in the other unit."""
        return self.intercept + self.slope * value


def conversion(here: str, there: str) -> Conversion:
    """From one unit to another, written as in "mm", "ng/mL" or "10^12/L".

    Raises InputError where one of them is no unit or they measure different things, MissingExtraError without pint.
    """
    require("transfer", f"converting {here} to {there}")
    import pint

    for text in (here, there):
        if not sane(text):
            raise InputError(f"{text!r} is no unit; write it as in 'mm', 'ng/mL' or '10^12/L'")
    registry: Any = pint.UnitRegistry()
    try:
        one, other = (registry.Quantity(registry.parse_expression(text)) for text in (here, there))
        if one.magnitude == other.magnitude == 1:  # degrees have a zero of their own
            zero, unit = (float(registry.Quantity(x, one.units).to(other.units).magnitude) for x in (0.0, 1.0))
            return Conversion(unit - zero, zero)
        return Conversion(float((one / other).to("dimensionless").magnitude))
    except pint.DimensionalityError as error:
        raise InputError(f"{here!r} cannot be converted to {there!r}: they measure different things") from error
    except (pint.PintError, ValueError, TypeError, AttributeError, ZeroDivisionError, OverflowError) as error:
        raise InputError(f"{here!r} or {there!r} is no unit that is known: {error}") from error


def sane(text: str) -> bool:
    """Whether a text may be a unit: short, and without powers of powers, which would take for ever."""
    return (
        0 < len(text) <= _LONGEST
        and _PLAIN.fullmatch(text) is not None
        and not re.search(r"\^|\*\*", _POWER.sub("", text))
        and not re.search(r"[0-9]{7}", text)
    )
