"""What some radiomics studies do before they split: the ICC filter and the selection learnt from ALL patients.

It is a leak, because the selection has seen the outcomes of the patients that are held out afterwards. A protocol can
declare it (`model.before_split`), so that what it costs can be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from validkit.plnm import stages
from validkit.plnm.inputs import Inputs
from validkit.plnm.reproducibility import ReproducibilityFilter
from validkit.plnm.selection import FeatureSelection
from validkit.sections import PLNM
from validkit.store import digest


@dataclass(frozen=True, eq=False)
class BeforeSplit:
    """The filter and the selection, fitted to all patients."""

    reproducibility: ReproducibilityFilter
    selection: FeatureSelection

    @property
    def fitted(self) -> tuple[ReproducibilityFilter, FeatureSelection]:
        """As `PLNMModel` takes it."""
        return self.reproducibility, self.selection

    def digest(self) -> str:
        """SHA-256 of which features were kept."""
        return digest([list(one.get_feature_names_out()) for one in self.fitted])


def learn_before_split(
    settings: PLNM,
    inputs: Inputs,
    y: np.ndarray,
    *,
    groups: Mapping[str, tuple[str, ...]],
    seed_of: Callable[..., int],
    level: float,
) -> BeforeSplit:
    """Fit the ICC filter and the selection to all patients.

    y : (n,) every outcome, those of patients held out later included
    """
    setting = settings.reproducibility
    reproducibility = ReproducibilityFilter(
        form=setting.icc, minimum=setting.minimum, keep=setting.keep, groups=groups, level=level
    ).fit(inputs.radiomics, repeats=inputs.repeats)
    selection = stages.selection(settings.radiomics, seed_of("selection"))
    selection.fit(reproducibility.transform(inputs.radiomics), y)
    return BeforeSplit(reproducibility, selection)
