"""A synthesis over centres drawn: a forest plot of each measure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from validkit.report.figures.forest import ForestDisplay, Scale
from validkit.report.figures.style import house_style
from validkit.report.values import estimate

SCALES = {
    "auc": Scale("AUC", 0.5, "chance", unit=True, always=False),
    "oe": Scale("Observed : expected", 1.0, "calibrated", ratio=True),
    "slope": Scale("Calibration slope", 1.0, "calibrated"),
    "calibration_in_the_large": Scale("Calibration in the large", 0.0, "calibrated"),
    "brier": Scale("Brier score", None, "", unit=True),
    "net_benefit": Scale("Net benefit", 0.0, "treat nobody"),
}


def draw_forests(record: Mapping[str, Any], folder: Path) -> list[Path]:
    """One SVG for each model and measure of `validkit.centre.pooling.pool_summaries`; their paths."""
    written = []
    for name, measures in record["models"].items():
        for key, found in measures.items():
            rows = tuple((str(row["site"]), estimate(_sized(row))) for row in found["centres"])
            pooled, prediction = (estimate(found["pooled"][part]) for part in ("estimate", "prediction"))
            display = ForestDisplay(SCALES[key], rows, pooled, prediction if prediction.has_interval else None)
            path = folder / f"forest-{re.sub(r'[^A-Za-z0-9]+', '-', name)}-{key}.svg"
            with house_style():
                figure = display.draw()
                figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
                pyplot.close(figure)
            written.append(path)
    return written


def _sized(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row["estimate"], "n": row["n"], "n_events": row["events"]}
