"""The laws of an honest model, beyond scikit-learn's own estimator checks."""

from __future__ import annotations

from validkit.testing.estimator_cases import EstimatorCase, Law
from validkit.testing.estimator_dependence import (
    chance_on_permuted_outcomes,
    column_order,
    determinism,
    held_out_independence,
    label_names,
    refitting_forgets,
)
from validkit.testing.estimator_files import save_and_load
from validkit.testing.estimator_outputs import (
    constant_columns,
    no_mutation,
    one_class,
    one_row,
    probabilities,
    unseen_category,
)

__all__ = ["ESTIMATOR_LAWS"]

_ALL: tuple[Law[EstimatorCase], ...] = (
    Law(
        "held-out-independence",
        "A patient's risk is the same whoever else is predicted, before or in the same batch; a risk that depends on "
        "its neighbours was partly learnt from held-out patients.",
        held_out_independence,
    ),
    Law(
        "chance-on-permuted-outcomes",
        "Where outcomes are shuffled nothing can be learnt, so the AUC of held-out rows is 0.5 on average; more than "
        "that was carried over from the rows held out.",
        chance_on_permuted_outcomes,
        once=True,
    ),
    Law(
        "determinism",
        "Two fits on the same rows with the same random state give the same risks to the last bit; else no result can "
        "be reproduced.",
        determinism,
    ),
    Law(
        "save-and-load",
        "A model that was saved and loaded in a fresh process gives the same risks; else what was validated is not "
        "what is put to use.",
        save_and_load,
        once=True,
    ),
    Law(
        "column-order",
        "Columns known by name may come in any order, or are refused in another; else a re-ordered file gives wrong "
        "risks without a word.",
        column_order,
    ),
    Law(
        "no-mutation",
        "Fitting and predicting leave the data and the parameters as they were; else the next model is judged on other "
        "data than the first.",
        no_mutation,
    ),
    Law(
        "probabilities",
        "predict_proba gives two probabilities a row that sum to one, the second that of the event, as `classes_` and "
        "`predict` say; else risks are read upside down.",
        probabilities,
    ),
    Law(
        "one-class",
        "Where all outcomes are alike, fitting is refused in words or the risk is constant; a silent NaN would travel "
        "into every statistic.",
        one_class,
    ),
    Law("one-row", "One patient alone can be predicted; at the bedside there is no second.", one_row),
    Law(
        "constant-columns",
        "A column that never varies neither stops the model nor makes a risk undefined; small samples hold such "
        "columns.",
        constant_columns,
    ),
    Law(
        "unseen-category",
        "A level never seen in training gives a finite risk or an error that says so; another centre will have one.",
        unseen_category,
    ),
    Law(
        "refitting-forgets",
        "A model fitted on other rows first gives what a fresh one gives; else folds learn from one another.",
        refitting_forgets,
    ),
    Law(
        "label-names",
        "The same event has the same risk however the two outcomes are coded; else the coding decides the result.",
        label_names,
    ),
)
ESTIMATOR_LAWS: dict[str, Law[EstimatorCase]] = {law.name: law for law in _ALL}
"""Every law of an estimator by its name."""
