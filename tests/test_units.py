"""Units of clinical columns: converted as published factors say, and nothing strange is evaluated."""

from __future__ import annotations

import pytest

pytest.importorskip("pint", reason="needs the transfer extra")

from validkit.errors import InputError
from validkit.units import conversion, sane


@pytest.mark.parametrize(
    ("here", "there", "value", "expected"),
    [
        ("cm", "mm", 3.2, 32.0),
        ("inch", "mm", 1.0, 25.4),
        ("months", "years", 18.0, 1.5),
        ("g/dL", "g/L", 13.5, 135.0),
        ("ug/L", "ng/mL", 2.5, 2.5),
        ("10^9/L", "10^12/L", 4200.0, 4.2),
        ("degC", "degF", 37.0, 98.6),
        ("%", "1", 12.0, 0.12),
        ("mm", "mm", 7.0, 7.0),
    ],
)
def test_published_factors(here: str, there: str, value: float, expected: float) -> None:
    assert conversion(here, there)(value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("here", "there", "message"),
    [
        ("cm", "ng/mL", "'cm' cannot be converted to 'ng/mL': they measure different things"),
        ("parsec per wibble", "mm", "is no unit that is known"),
        ("", "mm", "'' is no unit"),
        ("mm; import os", "mm", "is no unit"),
        ("9**9**9**9", "mm", "is no unit"),
        ("10^99^99", "mm", "is no unit"),
        ("(" * 41, "mm", "is no unit"),
    ],
)
def test_what_is_no_unit_is_refused(here: str, there: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        conversion(here, there)
    assert message in str(raised.value)


def test_powers_of_powers_are_not_sane() -> None:
    assert sane("10^12/L")
    assert sane("kg/m**2")
    assert not sane("2^2^2")
    assert not sane("1234567 m")
