"""What the page computes with its reader: the nomogram as a calculator, and every count at a threshold of one's own.

A widget is data; `interactive.js` makes fields of it and computes as the records do. Without scripts nothing is lost:
rulers, tables and curves stand beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from validkit.report import text
from validkit.report.page import Widget
from validkit.report.records import NotAvailable, Run, dig
from validkit.report.subject import label
from validkit.report.values import number
from validkit.stats.intervals import z_of

__all__ = ["nomogram_widget", "threshold_widget", "thresholds_of", "where_recorded", "widget"]

LOGIT_CLIP = 1e-3
"""as `plnm.terms.LOGIT_CLIP`: where scores near 0 and 1 are moved before their logit is taken"""
PER = 1000
UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
"""what could end the element that holds the data, as JSON escapes"""


def widget(name: str, title: str, data: Mapping[str, Any], without: str) -> Widget:
    """Data for one of the script's builders, with no character that could end the element that holds it."""
    written = json.dumps(_clean(data), ensure_ascii=True, allow_nan=False, sort_keys=True)
    return Widget(name, title, Markup(written.translate(UNSAFE)), without)


def _clean(value: Any) -> Any:
    """Every text without characters that hide or reorder what is read."""
    if isinstance(value, str):
        return text.clean(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, (list, tuple)) else value


def where_recorded(build: Callable[[Run], Widget], run: Run) -> list[Widget]:
    """The widget; nothing of a run that was made before its records held what it computes with."""
    try:
        return [build(run)]
    except NotAvailable:
        return []


def nomogram_widget(run: Run) -> Widget:
    """The nomogram: its terms with their axes and what patients of development covered, coefficients, covariance."""
    record = run.stage("nomogram")
    if "covariance" not in record:
        raise NotAvailable("the run was made before the nomogram's covariance was recorded")
    data = {
        "outcome": run.positive,
        "intercept": record["intercept"],
        "platt": record["platt"] or {"intercept": 0.0, "slope": 1.0},
        "per": record["points_per_log_odds"],
        "level": record["level"],
        "z": z_of(float(record["level"])),
        "covariance": record["covariance"],
        "terms": [_term(term, record) for term in record["terms"]],
    }
    return widget("calculator", "Nomogram as a calculator", data, "The rulers below give the same risks by hand.")


def _term(term: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    shared = {key: term[key] for key in ("name", "label", "unit")}
    if term["levels"]:
        levels = [{"value": term["reference"], "label": term["reference"], "beta": 0.0, "column": None}]
        levels += [
            {
                "value": one["level"],
                "label": one["level"],
                "beta": _known(one["coefficient"]["value"]),
                "column": f"{term['name']}={one['level']}",
            }
            for one in term["levels"]
        ]
        return {**shared, "levels": levels}
    logit = term["name"] == record["terms"][0]["name"] and record["score_scale"] == "logit"
    low, high = term["range"]
    covered = term["training_range"]
    middle = (max(low, covered[0]) + min(high, covered[1])) / 2
    named = term["kind"] in ("binary", "ordinal")
    return {
        **shared,
        "beta": _known(term["coefficient"]["value"]),
        "column": term["name"],
        "range": [low, high],
        "covered": covered,
        "logit": logit,
        "clip": LOGIT_CLIP,
        "start": term["ticks"][0]["value"] if named and term["ticks"] else float(f"{middle:.3g}"),
        "choices": [{"value": tick["value"], "label": tick["label"]} for tick in term["ticks"]] if named else [],
    }


def _known(value: float | None) -> float:
    """A coefficient; one that could not be estimated is 0, as in the model."""
    return 0.0 if value is None or math.isnan(value) else float(value)


def threshold_widget(run: Run) -> Widget:
    """Patients treated at every threshold of the decision curve, among those with and without the event."""
    reference = run.reference
    return thresholds_of(
        run.compared(),
        run.primary,
        reference=None if reference is None else str(reference["name"]),
        words=(run.positive, run.negative),
        level=number(run.setting("evaluation.level", 0.95)),
    )


def thresholds_of(
    models: Sequence[Mapping[str, Any]], where: str, *, reference: str | None, words: tuple[str, str], level: float
) -> Widget:
    """The same of any models judged on a set; words : for those with the event and without."""
    counted = []
    for one in models:
        counts = (one["sets"].get(where) or {}).get("treated")
        if counts:
            counted.append({"name": one["name"], "label": label(one), **counts})
    if not counted:
        raise NotAvailable("patients treated at each threshold were not counted")
    chosen = next((one for one in models if one["name"] == reference), None)
    start = dig(chosen or {}, "sets", {}).get(where, {}).get("threshold") or {}
    data = {
        "outcome": words[0],
        "other": words[1],
        "models": counted,
        "first": reference if any(one["name"] == reference for one in counted) else counted[0]["name"],
        "start": start.get("value") if isinstance(start, Mapping) else start,
        "per": PER,
        "level": level,
        "z": z_of(level),
    }
    return widget("threshold", "A threshold of your own", data, "The table at declared thresholds holds these numbers.")
