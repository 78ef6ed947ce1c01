"""The sentinels that look at the data and the splits only, run together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from validkit.audit.burnt_in import check_burnt_in
from validkit.audit.duplicates import check_duplicates
from validkit.audit.findings import Finding, chosen
from validkit.audit.looks import look_at
from validkit.audit.near_duplicates import check_near_duplicates
from validkit.audit.proxies import check_proxies
from validkit.audit.sides import SplitLike
from validkit.engine import Reporter

if TYPE_CHECKING:
    from validkit.cohort import Cohort


def run_data_sentinels(
    cohort: Cohort,
    splits: Sequence[SplitLike],
    *,
    seed: int,
    engine: str = "sequential",
    reporter: Reporter | None = None,
    only: Iterable[str] | None = None,
    alpha: float = 0.01,
) -> list[Finding]:
    """Findings of duplicates, near-duplicates, proxies and burnt-in, in this order; images are read once.

    splits : objects with name, training and held_out (tuples of patient ids)
    only : codes to run; codes of sentinels that need refits or records are left to those who run them
    alpha : the chance that a sentinel of prediction fires where nothing leaks

    Proxies and burnt-in look at the outcome of every patient: run them after held-out outcomes are opened. The
    same seed gives the same findings under every engine.
    """
    codes = chosen(only, "data")
    with_images = getattr(cohort, "images", None) is not None and {"near-duplicates", "burnt-in"} & set(codes)
    looks = look_at(cohort, engine=engine, reporter=reporter) if with_images else None
    found = []
    for code in codes:
        if code == "duplicates":
            found.append(check_duplicates(cohort, splits))
        elif code == "near-duplicates":
            found.append(check_near_duplicates(cohort, splits, looks=looks, engine=engine, reporter=reporter))
        elif code == "proxies":
            found.append(check_proxies(cohort, splits, seed=seed, alpha=alpha, engine=engine, reporter=reporter))
        elif code == "burnt-in":
            found.append(
                check_burnt_in(cohort, splits, seed=seed, looks=looks, alpha=alpha, engine=engine, reporter=reporter)
            )
    return found
