"""How missing predictors are filled in, inside every split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from validkit.sections.base import Section


class Imputation(Section):
    """Used where `cohort.missing = "impute"`. The outcome is never used: a new patient has none.

    simple : the training patients' median, or most frequent level
    iterative : each predictor drawn from a Bayesian regression on the others, `copies` times (multiple imputation by
        chained equations); the model is fitted and judged in each completed copy
    """

    method: Literal["simple", "iterative"] = "simple"
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    iterations: Annotated[int, Field(ge=1, le=1000)] = 10
    combine: Literal["rubin", "average"] = "rubin"
    """"rubin": every statistic in each copy, pooled by Rubin's rules on its own scale; "average": each patient's mean
    prediction is judged"""
    indicator: bool = False
    """whether the model also sees which values were missing"""
