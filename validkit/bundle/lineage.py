"""What was done to a locked model after it was fitted: each centre that updated it, how, and on whom.

An updated model is a new bundle. It holds everything that its parent held, and lineage.json, whose steps are carried
out one after the other; nothing in them is more than numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from scipy import special

from validkit.bundle.describing import linear_predictor
from validkit.bundle.manifest import unreadable
from validkit.errors import InputError
from validkit.sections import Section
from validkit.sections.base import Sha256
from validkit.stats.combat import CombatReference, CombatSite
from validkit.store import Files, to_json

__all__ = ["NAME", "Lineage", "Measured", "Step", "curve_at", "moved", "read_lineage"]

NAME = "lineage.json"
Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = tuple[Number, ...]
MOST = 100
"""steps of one lineage"""


class Measured(Section):
    """How the updating centre measures otherwise than development; see `validkit.stats.combat.CombatSite`.

    covariates : predictors; columns : what they are coded as; shift, scale : null for features left as they are
    """

    features: tuple[str, ...]
    covariates: tuple[str, ...]
    columns: tuple[str, ...]
    intercept: Numbers
    effects: tuple[Numbers, ...]
    sd: Numbers
    n: Annotated[int, Field(ge=2)]
    shift: tuple[Number | None, ...]
    scale: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, ...]

    @model_validator(mode="after")
    def _fits(self) -> Measured:
        p, k = len(self.features), len(self.columns)
        long = (self.intercept, self.sd, self.shift, self.scale, *self.effects)
        if len(self.effects) != k or any(len(one) != p for one in long):
            raise ValueError("`features`, `columns` and their numbers must belong together")
        if any((a is None) != (b is None) for a, b in zip(self.shift, self.scale, strict=True)):
            raise ValueError("`shift` and `scale` must be null for the same features")
        return self

    @classmethod
    def of(cls, site: CombatSite, covariates: tuple[str, ...]) -> Measured:
        """The record of a site; covariates : the predictors behind its covariates."""
        told = site.to_dict()
        there = site.reference.to_dict()
        return cls.model_validate(
            {
                "features": site.reference.features,
                "covariates": covariates,
                "columns": site.reference.covariates,
                "intercept": tuple(there["intercept"]),
                "effects": tuple(map(tuple, there["effects"])),
                "sd": tuple(there["sd"]),
                "n": site.n,
                "shift": tuple(told["shift"]),
                "scale": tuple(told["scale"]),
            }
        )

    @property
    def site(self) -> CombatSite:
        """The site, ready to be applied."""
        p, k = len(self.features), len(self.columns)
        shift, scale = (np.array([np.nan if x is None else x for x in one]) for one in (self.shift, self.scale))
        reference = CombatReference(
            self.features,
            self.columns,
            np.array(self.intercept),
            np.array(self.effects, dtype=np.float64).reshape(k, p),
            np.array(self.sd),
            self.n,
        )
        return CombatSite(reference, shift, scale, shift, scale, {}, True, self.n)


class Step(Section):
    """One update of one model.

    parent : SHA-256 of the bundle that was updated; model : the one whose risks changed
    method : as the centre asked for it; curve, numbers : what it came to: "logistic" (intercept, slope), "beta"
        (a, b, c), "isotonic" (the risks, then the updated risks), "regression" (intercept, then the log odds and
        `columns`); "none" where the closed test kept the model
    n, events : patients of the updating centre, whose digest `cohort` is; measured : how it measures otherwise
    """

    parent: Sha256
    model: str
    method: Literal["in the large", "logistic", "platt", "isotonic", "beta", "refit", "closed test"]
    curve: Literal["none", "logistic", "beta", "isotonic", "regression"]
    numbers: Numbers
    columns: tuple[str, ...] = ()
    n: Annotated[int, Field(ge=2)]
    events: Annotated[int, Field(ge=1)]
    cohort: Sha256
    synthetic: bool
    measured: Measured | None = None

    @model_validator(mode="after")
    def _fits(self) -> Step:
        count, k = len(self.numbers), len(self.columns)
        wanted = {"none": count == 0, "logistic": count == 2, "beta": count == 3, "regression": count == k + 2}
        wanted["isotonic"] = count % 2 == 0 and count > 0 and self._rising()
        if not wanted[self.curve] or (k and self.curve != "regression"):
            raise ValueError(f"`numbers` are not those of a {self.curve} update")
        return self

    def _rising(self) -> bool:
        half = len(self.numbers) // 2
        x, y = np.array(self.numbers[:half]), np.array(self.numbers[half:])
        inside_ = ((x >= 0) & (x <= 1)).all() and ((y >= 0) & (y <= 1)).all()
        return bool(inside_ and (np.diff(x) > 0).all() and (np.diff(y) >= 0).all())

    def apply(self, risk: NDArray[np.float64], table: pd.DataFrame) -> NDArray[np.float64]:
        """(n,) updated risks; NaN stays NaN. table : (n, k) coded clinical columns."""
        known = np.isfinite(risk)
        found = np.full(len(risk), np.nan)
        columns = table.loc[known, list(self.columns)].to_numpy(np.float64)
        found[known] = curve_at(self.curve, self.numbers, risk[known], columns)
        return found


def curve_at(
    curve: str, numbers: Sequence[float], p: NDArray[np.float64], columns: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """(n,) risks p in [0, 1] after an update; curve, numbers : as in `Step`; columns : (n, k), of a regression."""
    if curve == "none":
        return p
    if curve == "isotonic":
        half = len(numbers) // 2
        return np.interp(p, numbers[:half], numbers[half:])
    if curve == "beta":
        a, b, c = numbers
        log_odds = c + special.xlogy(a, p) - special.xlog1py(b, -p)
    elif curve == "logistic":
        a, b = numbers
        log_odds = a + b * special.logit(p) if b != 0 else np.full(p.size, a)
    else:
        assert columns is not None
        log_odds = numbers[0] + numbers[1] * linear_predictor(p) + columns @ np.array(numbers[2:])
    return np.asarray(special.expit(log_odds), dtype=np.float64)


class Lineage(Section):
    """lineage.json: the steps, the oldest first."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MOST)]

    @model_validator(mode="after")
    def _one_model(self) -> Lineage:
        if len({step.model for step in self.steps}) > 1:
            raise ValueError("`steps` update one model, and name several")
        return self

    @property
    def bytes(self) -> bytes:
        """As it is written."""
        return to_json(self.model_dump(mode="json")).encode()


def read_lineage(members: Files) -> Lineage | None:
    """The lineage among the members; None where there is none. Raises InputError where it cannot be read."""
    if NAME not in members:
        return None
    try:
        return Lineage.model_validate_json(members[NAME])
    except (ValidationError, ValueError, RecursionError) as error:
        why = unreadable(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"member {NAME!r}: {why}") from error


def moved(inputs: Any, site: CombatSite, covariates: NDArray[np.float64] | None) -> Any:
    """The inputs as development would have measured them.

    inputs : `validkit.plnm.inputs.Inputs` or `validkit.tabular.inputs.TableInputs`; covariates : (n, k) coded
    """
    part = "radiomics" if hasattr(inputs, "radiomics") else "predictors"
    table = getattr(inputs, part).copy()
    names = list(site.reference.features)
    table[names] = site.apply(table[names].to_numpy(np.float64), covariates)
    return replace(inputs, **{part: table})
