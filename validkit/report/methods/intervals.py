"""How an interval was made, in words with its citation, from the method that its record names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from validkit.report import text
from validkit.report.methods.saying import cite, said
from validkit.report.values import estimate

__all__ = ["how", "moved"]

SHIFTED = re.compile(r"optimism bootstrap; (.*) shifted by the optimism")
REPLICATES = re.compile(r"(\d+)(?: of \d+)? replicates")
KNOWN = (
    ("DeLong on the logit scale", f"DeLong's method on the logit scale {cite('DeLong1988')}"),
    ("DeLong", f"DeLong's method {cite('DeLong1988', 'Sun2014')}"),
    ("Wald", "Wald's method"),
    ("profile likelihood", "profile likelihood"),
    ("Wilson", f"Wilson's method {cite('Wilson1927')}"),
    ("Clopper-Pearson", f"Clopper and Pearson's exact method {cite('Clopper1934')}"),
    ("normal, from each patient's", "a normal approximation from each patient's contribution"),
    ("normal on the log scale", f"a normal approximation on the log scale {cite('Debray2017')}"),
    ("log-normal", f"a normal approximation on the log scale {cite('Debray2017')}"),
    ("normal, delta method", "the delta method"),
)
"""how the name of a method begins, and what it is called here"""


def how(record: Mapping[str, Any] | None) -> str:
    """`DeLong's method [DeLong1988; Sun2014]`; "" where there is no interval or no method."""
    found = estimate(record)
    return _words(found.method, found.note) if found.has_interval else ""


def _words(method: str, note: str) -> str:
    shifted = SHIFTED.fullmatch(method)
    if shifted:
        return _words(shifted[1], "")
    if method.startswith("Rubin"):
        scale = re.search(r"on the ([a-z0-9-]+) scale", method)
        return f"Rubin's rules on the {scale[1]} scale" if scale else "Rubin's rules"
    if "bootstrap" in method:
        return _bootstrap(method, note)
    named = next((words for start, words in KNOWN if method.startswith(start)), "")
    repeats = ", of risks averaged over repeats" if "averaged over" in method else ""
    return f"{named}{repeats}" if named else said(method)


def _bootstrap(method: str, note: str) -> str:
    kind = "the BCa bootstrap" if "bca" in method.lower() else "the percentile bootstrap"
    key = "Efron1987" if "bca" in method.lower() else "Efron1993"
    found = REPLICATES.search(f"{method}; {note}")
    facts = [f"{text.whole(int(found[1]))} replicates"] if found else []
    facts += ["strata of the outcome"] if "stratified" in method else []
    facts += ["whole clusters drawn"] if "by cluster" in method else []
    return f"{kind}{f' with {text.listed(facts)}' if facts else ''} {cite(key)}"


def moved(record: Mapping[str, Any] | None) -> str:
    """What was done to all intervals of a run before they were reported; "" where nothing was."""
    method = estimate(record).method
    if method.startswith("Rubin"):
        return f"Statistics of the imputed copies were pooled by Rubin's rules {cite('Rubin1987', 'Barnard1999')}."
    if SHIFTED.fullmatch(method):
        return f"Intervals of corrected figures are apparent ones, shifted by the optimism {cite('Noma2021')}."
    return ""
