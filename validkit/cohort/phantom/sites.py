"""What differs between centres: scanner and its settings, prevalence, case mix.

Site 1 is the reference centre. Every further one is drawn once from the phantom's seed and its own
number, so site 3 of five sites is site 3 of fifty.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from validkit.errors import InputError

SMALLEST_SITE = 4
PREVALENCE = 107 / 421
DEPTHS_MM = (40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 120.0, 140.0, 160.0)


@dataclass(frozen=True)
class Site:
    """One centre. Diameters are in mm, frequency in MHz, gain and dynamic range in dB."""

    name: str
    frequency_mhz: float = 6.5
    """centre frequency of the pulse"""
    fractional_bandwidth: float = 0.50
    """-6 dB bandwidth over centre frequency"""
    f_number: float = 2.8
    """depth over aperture: the lateral resolution at the focus is wavelength x f-number"""
    gain_db: float = 0.0
    dynamic_range_db: float = 60.0
    rows: int = 256
    columns: int = 320
    lesion_pixels: float = 92.0
    """the largest lesion diameter, in pixels, that the sonographer zooms to, by choosing among `depths_mm`"""
    depths_mm: tuple[float, ...] = DEPTHS_MM
    prevalence: float = PREVALENCE
    diameter_scale: float = 1.0
    """case mix: factor on the diameters of patients without metastasis"""
    age_shift: float = 0.0
    rbc_shift: float = 0.0
    squamous: float = 0.80
    """share of squamous cell carcinoma; three quarters of the rest are adenocarcinoma"""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def draw_sites(sites: int, seed: int) -> list[Site]:
    """The centres of a phantom; the first is the reference."""
    if sites < 1:
        raise InputError(f"sites must be at least 1; got {sites}")
    return [Site("site-1"), *(_draw_site(number, seed) for number in range(2, sites + 1))]


def _draw_site(number: int, seed: int) -> Site:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, number)))
    rows, columns = ((256, 320), (240, 320), (272, 352))[rng.integers(3)]
    logit = math.log(PREVALENCE / (1 - PREVALENCE)) + rng.normal(0.0, 0.4)
    return Site(
        name=f"site-{number}",
        frequency_mhz=round(float(rng.uniform(5.0, 9.0)), 1),
        fractional_bandwidth=round(float(rng.uniform(0.40, 0.60)), 2),
        f_number=round(float(rng.uniform(2.2, 3.6)), 1),
        gain_db=round(float(rng.normal(0.0, 3.0)), 1),
        dynamic_range_db=float(rng.choice([50.0, 54.0, 60.0, 66.0, 72.0])),
        rows=rows,
        columns=columns,
        lesion_pixels=round(float(rng.uniform(75.0, 105.0)), 1),
        depths_mm=DEPTHS_MM if rng.random() < 0.5 else (45.0, 57.0, 68.0, 79.0, 91.0, 113.0, 136.0, 158.0),
        prevalence=round(1 / (1 + math.exp(-logit)), 3),
        diameter_scale=round(float(np.exp(rng.normal(0.0, 0.12))), 3),
        age_shift=round(float(rng.normal(0.0, 3.0)), 1),
        rbc_shift=round(float(rng.normal(0.0, 0.12)), 2),
        squamous=round(float(rng.uniform(0.70, 0.88)), 2),
    )


def site_sizes(patients: int, sites: int) -> list[int]:
    """Patients at each site: equal, the first sites taking the remainder."""
    if sites < 1:
        raise InputError(f"sites must be at least 1; got {sites}")
    if patients < SMALLEST_SITE * sites:
        raise InputError(
            f"patients must be at least {SMALLEST_SITE} a site ({SMALLEST_SITE * sites} for {sites}); got {patients}"
        )
    each, rest = divmod(patients, sites)
    return [each + (index < rest) for index in range(sites)]
