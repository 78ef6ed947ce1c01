"""The yardstick: how well a binary-outcome model predicts, each answer with its uncertainty.

Pure functions of the outcome and the predicted risk (outcome first, risk second, the rest by keyword), each returning a
frozen result. Undefined results are NaN with a note; invalid input is an `InputError` that names the rows.
"""

from validkit.stats.agreement import FeatureAgreement, icc
from validkit.stats.calibration import (
    calibration_in_the_large,
    calibration_line,
    calibration_slope,
    calibration_test,
    hosmer_lemeshow,
    observed_expected,
    spiegelhalter,
)
from validkit.stats.calibration_curves import (
    calibration_curve,
    calibration_errors,
    calibration_groups,
    expected_calibration_error,
)
from validkit.stats.classification import (
    Confusion,
    accuracy,
    balanced_accuracy,
    confusion,
    f1,
    npv,
    ppv,
    sensitivity,
    specificity,
    youden_index,
)
from validkit.stats.comparison import adjust_p_values, compare_auc
from validkit.stats.discrimination import auc, delong_covariance, roc_curve, youden_threshold
from validkit.stats.overall import (
    brier,
    cox_snell_r2,
    discrimination_slope,
    log_loss,
    mcfadden_r2,
    nagelkerke_r2,
    scaled_brier,
)
from validkit.stats.overlap import SurfaceDistance, dice, surface_distance
from validkit.stats.resampling import bootstrap
from validkit.stats.results import Comparison, Curve, Estimate, Table, TestResult
from validkit.stats.utility import decision_curve, decision_grid, net_benefit, treat_all, treat_none

__all__ = [
    "Comparison",
    "Confusion",
    "Curve",
    "Estimate",
    "FeatureAgreement",
    "SurfaceDistance",
    "Table",
    "TestResult",
    "accuracy",
    "adjust_p_values",
    "auc",
    "balanced_accuracy",
    "bootstrap",
    "brier",
    "calibration_curve",
    "calibration_errors",
    "calibration_groups",
    "calibration_in_the_large",
    "calibration_line",
    "calibration_slope",
    "calibration_test",
    "compare_auc",
    "confusion",
    "cox_snell_r2",
    "decision_curve",
    "decision_grid",
    "delong_covariance",
    "dice",
    "discrimination_slope",
    "expected_calibration_error",
    "f1",
    "hosmer_lemeshow",
    "icc",
    "log_loss",
    "mcfadden_r2",
    "nagelkerke_r2",
    "net_benefit",
    "npv",
    "observed_expected",
    "ppv",
    "roc_curve",
    "scaled_brier",
    "sensitivity",
    "specificity",
    "spiegelhalter",
    "surface_distance",
    "treat_all",
    "treat_none",
    "youden_index",
    "youden_threshold",
]
