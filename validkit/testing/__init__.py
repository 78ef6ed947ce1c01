"""A test kit for anyone's metric, model, pipeline and predictions: strategies, laws, simulators with known truth.

- `check_metric`, `check_estimator`, `check_procedure` try the laws that apply and tell the smallest counterexample.
- Strategies for hypothesis: `binary_risks`, `paired_risks`, `clustered_risks`, `multi_site_risks`, `right_risks`,
  `reader_features`, `clinical_tables`, `lesion_images`, `protocols`, `cohorts`.
- Simulators whose truth is exact: `Risks`, `PairedRisks`, `ClusteredRisks`, `Sites`, `Readers`.
- A pytest plugin (`--validkit-predictions FILE --validkit-protocol PROTOCOL`).

hypothesis is needed at this door alone: `pip install "validkit[testing]"`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "risks": ("binary_risks", "clustered_risks", "multi_site_risks", "paired_risks", "right_risks"),
    "readers": ("reader_features",),
    "tables": ("clinical_tables",),
    "images": ("LesionImage", "lesion_images", "write_lesion"),
    "declared": ("broken_protocols", "protocols"),
    "cohorts": ("CohortOnDisk", "cohorts"),
    "metrics": ("LAWS", "Report", "check_metric"),
    "laws": ("Law",),
    "subjects": ("KINDS", "Subject"),
    "violations": ("Finding", "LawViolation"),
    "estimators": ("EstimatorReport", "check_estimator", "check_procedure"),
    "procedure_laws": ("PROCEDURE_LAWS",),
    "estimator_laws": ("ESTIMATOR_LAWS",),
}
_SIMULATORS = (
    "BetaFamily",
    "BinormalFamily",
    "ClusteredRisks",
    "LogisticPopulation",
    "PairedRisks",
    "Raters",
    "Readers",
    "Risks",
    "Sites",
)
_FOUND_IN = {
    **{name: f"validkit.testing.{module}" for module, names in _PLACES.items() for name in names},
    **dict.fromkeys(_SIMULATORS, "validkit.simulation"),
}

__all__ = sorted(_FOUND_IN)


def __getattr__(name: str) -> Any:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_FOUND_IN[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
