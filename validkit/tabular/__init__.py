"""Any scikit-learn estimator in the PLNM model's place, on a table of predictors; imputation inside the split."""

from validkit.tabular.effort import expected_fits

__all__ = ["expected_fits"]
