"""A comparison of runs in words, for its page and for the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from validkit.report import text
from validkit.report.records import SETS, among
from validkit.report.values import Estimate, estimate, number

MEASURES = {"auc": "AUC", "brier": "Brier score", "net_benefit": "Net benefit"}
BETTER = "Above 0 the first run has the higher AUC or net benefit; below 0 it has the lower, better Brier score."
STATES = {"absent": "absent", "in part": "otherwise in part, see the rows of its keys"}
NUMBERS, CURVES = ("number", "numbers"), ("curve", "curves")
DIGEST = re.compile(r"[0-9a-f]{64}")
NAMED = 3
"""settings that a sentence names"""

Found = Mapping[str, Any]


def names(record: Found) -> list[str]:
    """What the runs are called."""
    return [str(run["name"]) for run in record["runs"]]


def title(record: Found) -> str:
    """The first run beside the others."""
    first, *others = names(record)
    return f"{first} beside {text.listed(others)}"


def protocol_words(record: Found) -> str:
    """Whether the protocols are the same."""
    keys = [str(one["key"]) for one in record["protocol"]["settings"]]
    overrides = len(record["protocol"]["overrides"])
    told = f"; {_many(overrides, 'override', 'overrides')} not given to all" if overrides else ""
    if not keys:
        return f"the same in every setting{told}"
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return f"{_differ(len(keys), 'setting', 'settings')} ({', '.join(keys[:NAMED])}{more}){told}"


def data_words(record: Found) -> str:
    """Whether the runs were made of the same."""
    facts = {str(one["fact"]): bool(one["same"]) for one in record["data"]["facts"]}
    apart = [fact for fact, same in facts.items() if not same]
    head = "the same cohort" if facts.get("cohort digest") else "other cohorts"
    return f"{head}; {'differing: ' + text.listed(apart) if apart else 'nothing differs'}"


def patients_words(record: Found) -> str:
    """Whether the runs held out the same patients."""
    found = record["data"]["patients"]
    sizes = text.counts(found["shared"], found["events"])
    if not found["shared"]:
        return "no held-out patient is common to all runs"
    if found["same"]:
        return f"the same in every run ({sizes}); {_agreement(found['pairs'])}"
    alone = [f"{one['only']} in {one['run']} alone" for one in found["runs"] if one["only"]]
    return "; ".join([f"common to all: {sizes}", *([", ".join(alone)] if alone else []), _agreement(found["pairs"])])


def _agreement(pairs: Sequence[Found]) -> str:
    disagree, untold = (max(int(pair[key]) for pair in pairs) for key in ("disagree", "open"))
    if disagree:
        return f"the outcomes of {disagree} disagree"
    return f"the outcomes of {untold} are not told by the records" if untold else "outcomes agree"


def numbers_words(record: Found) -> str:
    """How many numbers differ, and how many are the same."""
    found = record["numbers"]
    differ, curves = len(found["differ"]), len(found["curves"])
    same = f"{_many(found['equal'], *NUMBERS)} and {_many(found['equal_curves'], *CURVES)}"
    if not found["equal"] + found["equal_curves"] + differ + curves:
        return "no model is in more than one run: nothing to lay side by side"
    verb = "is" if found["equal"] + found["equal_curves"] == 1 else "are"
    told = f"{same} {verb} the same"
    if not differ + curves:
        return f"none differs; {told}"
    apart = [_many(n, *kinds) for n, kinds in ((differ, NUMBERS), (curves, CURVES)) if n]
    return f"{' and '.join(apart)} {'differs' if differ + curves == 1 else 'differ'}; {told}"


def alone_words(record: Found) -> str:
    """What only one run holds; "" where there is nothing."""
    found = record["numbers"]
    models = [f"{one['run']} ({', '.join(one['names'])})" for one in found["models"] if one["names"]]
    numbers = [f"{one['numbers']:,} in {one['run']}" for one in found["only"] if one["numbers"]]
    told = [f"models in one run alone: {'; '.join(models)}"] if models else []
    told += [f"numbers and curves that one run alone holds: {', '.join(numbers)}"] if numbers else []
    return "; ".join(told)


def measure_words(row: Found) -> str:
    """A paired difference's measure: `AUC`, `Net benefit at 0.3`."""
    at = "" if row["threshold"] is None else f" at {row['threshold']:g}"
    return f"{MEASURES[row['measure']]}{at}"


def paired_words(pair: Found) -> str:
    """Whom a pair of runs was compared on."""
    whole = "all held-out patients, the same in both" if pair["whole"] else "the held-out patients of both"
    return f"{whole}: {text.counts(pair['n'], pair['events'])}"


def alike_words(pair: Found) -> str:
    """Models that predict the same in both runs; "" where there is none."""
    models = [str(one) for one in pair["alike"]]
    if not models:
        return ""
    verb = "predicts" if len(models) == 1 else "predict"
    return f"{text.listed(models)} {verb} every shared patient alike: no difference to test"


def setting_words(value: Found) -> str:
    """A setting as a protocol says it."""
    if value["state"] == "given":
        return json.dumps(value["value"], ensure_ascii=False)
    return STATES[str(value["state"])]


def fact_words(value: Any) -> str:
    """A fact about the data."""
    if value is None:
        return text.DASH
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def is_digest(words: str) -> bool:
    """Whether a fact is a SHA-256, of which a table shows the first digits."""
    return DIGEST.fullmatch(words) is not None


def set_words(row: Found) -> str:
    """On whom a number was taken."""
    return among(str(row["set"])) if row["set"] in SETS else str(row["set"])


def value_of(found: Found | None) -> Estimate:
    """A number of one run; undefined where the run does not hold it."""
    if found is None:
        return Estimate(note="the run does not hold it")
    return estimate({**found, "n_events": found["events"]})


def difference_words(value: Any) -> str:
    """A plain difference."""
    return text.fine(number(value))


def _many(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"


def _differ(n: int, one: str, more: str) -> str:
    return f"{_many(n, one, more)} {'differs' if n == 1 else 'differ'}"
