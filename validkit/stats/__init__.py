"""The yardstick: how well a binary-outcome model predicts, each answer with its uncertainty.

Pure functions of the outcome and the predicted risk (outcome first, risk second, the rest by keyword), each returning a
frozen result. Undefined results are NaN with a note; invalid input is an `InputError` that names the rows. `METRICS`
lists the measures and what their critics warn of.

Table 1, Table 2 and the regression behind them need pandas and are loaded when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from validkit.stats.agreement import FeatureAgreement, Kept, icc, icc_all, keep
from validkit.stats.auc_contrasts import AucComparisons, AucContrast, auc_contrast, compare_aucs
from validkit.stats.auc_power import (
    AucDesign,
    AucPower,
    binormal_design,
    comparison_power,
    comparison_sample_size,
    pilot_design,
    single_auc_design,
)
from validkit.stats.auc_tests import compare_auc_unpaired
from validkit.stats.beta_calibration import BetaUpdate, recalibrate_beta
from validkit.stats.calibration import (
    calibration_in_the_large,
    calibration_in_the_large_test,
    calibration_line,
    calibration_slope,
    calibration_test,
    cox_tests,
    observed_expected,
)
from validkit.stats.calibration_curves import calibration_curve
from validkit.stats.calibration_distances import calibration_errors, expected_calibration_error
from validkit.stats.chance_corrected import kappa_at_threshold, mcc
from validkit.stats.classification import (
    accuracy,
    balanced_accuracy,
    classification_measures,
    f1,
    sensitivity,
    specificity,
    youden_index,
)
from validkit.stats.closed_testing import ClosedTest, Revision, closed_test
from validkit.stats.clustered import clustered_auc, clustered_covariance
from validkit.stats.clustered_comparison import compare_clustered_auc
from validkit.stats.combat import CombatReference, CombatSite, combat_moments, combat_reference, combat_site
from validkit.stats.comparison import compare_auc
from validkit.stats.corrections import CorrectedMetric, InternalValidation
from validkit.stats.costs import MinimumCost, cost_curve, expected_cost, minimum_expected_cost
from validkit.stats.cutoffs import Cutoff, optimal_cutoff, youden_threshold
from validkit.stats.decision_comparison import DecisionComparison, compare_decision_curves
from validkit.stats.decision_curves import decision_curve, decision_grid, treat_all, treat_none
from validkit.stats.decomposition import BrierDecomposition, brier_decomposition
from validkit.stats.development_size import (
    DevelopmentSize,
    cox_snell_from_auc,
    development_sample_size,
    maximum_cox_snell,
)
from validkit.stats.diagnostic_ratios import diagnostic_odds_ratio, negative_likelihood_ratio, positive_likelihood_ratio
from validkit.stats.discrimination import auc, delong_covariance
from validkit.stats.estimators import LogisticModel
from validkit.stats.fleiss import fleiss_kappa, fleiss_kappa_test
from validkit.stats.folds import cross_validation
from validkit.stats.goodness_of_fit import hosmer_lemeshow, le_cessie, spiegelhalter
from validkit.stats.imputations import RubinEstimate, pool_imputations
from validkit.stats.imputed_coefficients import RubinCoefficients, pool_coefficients
from validkit.stats.internal import bootstrap_validation
from validkit.stats.interventions import interventions_avoided, interventions_avoided_curve
from validkit.stats.kappa import cohen_kappa, cohen_kappa_test
from validkit.stats.likelihood_scores import cox_snell_r2, log_likelihood, log_loss, mcfadden_r2, nagelkerke_r2
from validkit.stats.limits_of_agreement import BlandAltman, bland_altman, bland_altman_repeated
from validkit.stats.linear_predictor import LinearPredictor
from validkit.stats.margins import MarginTest, equivalence, noninferiority
from validkit.stats.membership import Membership, compare_spreads, membership
from validkit.stats.meta_regression import MetaRegression, meta_regression
from validkit.stats.metrics import METRICS, Metric
from validkit.stats.multiplicity import adjust_p_values
from validkit.stats.overall import brier, discrimination_slope, mape, scaled_brier, tjur_r2
from validkit.stats.overlap import SurfaceDistance, dice, jaccard, surface_distance
from validkit.stats.paired import compare_brier, compare_log_loss, compare_net_benefit, compare_scaled_brier
from validkit.stats.paired_bootstrap import bootstrap_comparison
from validkit.stats.paired_proportions import (
    compare_sensitivity,
    compare_specificity,
    mcnemar,
    paired_proportions_interval,
)
from validkit.stats.partial_area import partial_auc
from validkit.stats.permutation import permutation_test
from validkit.stats.pooling import PooledEstimate, probability_new_site, random_effects
from validkit.stats.pooling_scales import (
    auc_standard_error,
    pool_auc,
    pool_net_benefit,
    pool_observed_expected,
    pool_slope,
)
from validkit.stats.precision_recall import auprc, average_precision, precision_recall_curve
from validkit.stats.prediction_instability import Instability, instability, instability_curves
from validkit.stats.predictive_values import npv, ppv
from validkit.stats.reclassification import IDI, NRI, idi, nri
from validkit.stats.repeat_spreads import RepeatSpread, repeat_spread
from validkit.stats.repeated import repeated_performance, repeated_performances
from validkit.stats.repeated_comparison import compare_repeated
from validkit.stats.resample_corrections import corrected_performance
from validkit.stats.resampling import bootstrap, bootstrap_all, jackknife
from validkit.stats.results import Comparison, Curve, Estimate, Table, TestResult
from validkit.stats.risk_groups import calibration_groups
from validkit.stats.roc import roc_curve
from validkit.stats.sample_size import Criterion, SampleSize
from validkit.stats.scales import SCALES, Scale
from validkit.stats.single_numbers import calibration_intercept, e50, e90, eci, emax, ici, standardised_net_benefit
from validkit.stats.site_summaries import pool_sites
from validkit.stats.standardised import standardised_auc
from validkit.stats.transport import concordance_gap, model_based_concordance
from validkit.stats.two_by_two import Confusion, confusion
from validkit.stats.updating import (
    IsotonicUpdate,
    LogisticUpdate,
    recalibrate_in_the_large,
    recalibrate_isotonic,
    recalibrate_logistic,
    recalibrate_platt,
)
from validkit.stats.useful_thresholds import UsefulRange, useful_range
from validkit.stats.utility import net_benefit
from validkit.stats.validation_size import (
    c_statistic_size,
    calibration_slope_size,
    net_benefit_size,
    observed_expected_size,
    validation_sample_size,
)

if TYPE_CHECKING:
    from validkit.stats.collinearity import VarianceInflation, logistic_variance_inflation, variance_inflation
    from validkit.stats.descriptive import (
        Characteristic,
        PredictorScreen,
        describe,
        screen_predictors,
        table_one,
        table_two,
    )
    from validkit.stats.predictor_effects import PredictorEffects, compare_effects, effects_given_risk
    from validkit.stats.regression import LogisticFit, likelihood_ratio_test, logistic_regression

_ON_DEMAND = {
    "PredictorEffects": "predictor_effects",
    "compare_effects": "predictor_effects",
    "effects_given_risk": "predictor_effects",
    "VarianceInflation": "collinearity",
    "logistic_variance_inflation": "collinearity",
    "variance_inflation": "collinearity",
    "Characteristic": "descriptive",
    "PredictorScreen": "descriptive",
    "describe": "descriptive",
    "screen_predictors": "descriptive",
    "table_one": "descriptive",
    "table_two": "descriptive",
    "LogisticFit": "regression",
    "likelihood_ratio_test": "regression",
    "logistic_regression": "regression",
}


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        from importlib import import_module

        return getattr(import_module(f"validkit.stats.{_ON_DEMAND[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "IDI",
    "METRICS",
    "NRI",
    "SCALES",
    "AucComparisons",
    "AucContrast",
    "AucDesign",
    "AucPower",
    "BetaUpdate",
    "BlandAltman",
    "BrierDecomposition",
    "Characteristic",
    "ClosedTest",
    "CombatReference",
    "CombatSite",
    "Comparison",
    "Confusion",
    "CorrectedMetric",
    "Criterion",
    "Curve",
    "Cutoff",
    "DecisionComparison",
    "DevelopmentSize",
    "Estimate",
    "FeatureAgreement",
    "Instability",
    "InternalValidation",
    "IsotonicUpdate",
    "Kept",
    "LinearPredictor",
    "LogisticFit",
    "LogisticModel",
    "LogisticUpdate",
    "MarginTest",
    "Membership",
    "MetaRegression",
    "Metric",
    "MinimumCost",
    "PooledEstimate",
    "PredictorEffects",
    "PredictorScreen",
    "RepeatSpread",
    "Revision",
    "RubinCoefficients",
    "RubinEstimate",
    "SampleSize",
    "Scale",
    "SurfaceDistance",
    "Table",
    "TestResult",
    "UsefulRange",
    "VarianceInflation",
    "accuracy",
    "adjust_p_values",
    "auc",
    "auc_contrast",
    "auc_standard_error",
    "auprc",
    "average_precision",
    "balanced_accuracy",
    "binormal_design",
    "bland_altman",
    "bland_altman_repeated",
    "bootstrap",
    "bootstrap_all",
    "bootstrap_comparison",
    "bootstrap_validation",
    "brier",
    "brier_decomposition",
    "c_statistic_size",
    "calibration_curve",
    "calibration_errors",
    "calibration_groups",
    "calibration_in_the_large",
    "calibration_in_the_large_test",
    "calibration_intercept",
    "calibration_line",
    "calibration_slope",
    "calibration_slope_size",
    "calibration_test",
    "classification_measures",
    "closed_test",
    "clustered_auc",
    "clustered_covariance",
    "cohen_kappa",
    "cohen_kappa_test",
    "combat_moments",
    "combat_reference",
    "combat_site",
    "compare_auc",
    "compare_auc_unpaired",
    "compare_aucs",
    "compare_brier",
    "compare_clustered_auc",
    "compare_decision_curves",
    "compare_effects",
    "compare_log_loss",
    "compare_net_benefit",
    "compare_repeated",
    "compare_scaled_brier",
    "compare_sensitivity",
    "compare_specificity",
    "compare_spreads",
    "comparison_power",
    "comparison_sample_size",
    "concordance_gap",
    "confusion",
    "corrected_performance",
    "cost_curve",
    "cox_snell_from_auc",
    "cox_snell_r2",
    "cox_tests",
    "cross_validation",
    "decision_curve",
    "decision_grid",
    "delong_covariance",
    "describe",
    "development_sample_size",
    "diagnostic_odds_ratio",
    "dice",
    "discrimination_slope",
    "e50",
    "e90",
    "eci",
    "effects_given_risk",
    "emax",
    "equivalence",
    "expected_calibration_error",
    "expected_cost",
    "f1",
    "fleiss_kappa",
    "fleiss_kappa_test",
    "hosmer_lemeshow",
    "icc",
    "icc_all",
    "ici",
    "idi",
    "instability",
    "instability_curves",
    "interventions_avoided",
    "interventions_avoided_curve",
    "jaccard",
    "jackknife",
    "kappa_at_threshold",
    "keep",
    "le_cessie",
    "likelihood_ratio_test",
    "log_likelihood",
    "log_loss",
    "logistic_regression",
    "logistic_variance_inflation",
    "mape",
    "maximum_cox_snell",
    "mcc",
    "mcfadden_r2",
    "mcnemar",
    "membership",
    "meta_regression",
    "minimum_expected_cost",
    "model_based_concordance",
    "nagelkerke_r2",
    "negative_likelihood_ratio",
    "net_benefit",
    "net_benefit_size",
    "noninferiority",
    "npv",
    "nri",
    "observed_expected",
    "observed_expected_size",
    "optimal_cutoff",
    "paired_proportions_interval",
    "partial_auc",
    "permutation_test",
    "pilot_design",
    "pool_auc",
    "pool_coefficients",
    "pool_imputations",
    "pool_net_benefit",
    "pool_observed_expected",
    "pool_sites",
    "pool_slope",
    "positive_likelihood_ratio",
    "ppv",
    "precision_recall_curve",
    "probability_new_site",
    "random_effects",
    "recalibrate_beta",
    "recalibrate_in_the_large",
    "recalibrate_isotonic",
    "recalibrate_logistic",
    "recalibrate_platt",
    "repeat_spread",
    "repeated_performance",
    "repeated_performances",
    "roc_curve",
    "scaled_brier",
    "screen_predictors",
    "sensitivity",
    "single_auc_design",
    "specificity",
    "spiegelhalter",
    "standardised_auc",
    "standardised_net_benefit",
    "surface_distance",
    "table_one",
    "table_two",
    "tjur_r2",
    "treat_all",
    "treat_none",
    "useful_range",
    "validation_sample_size",
    "variance_inflation",
    "youden_index",
    "youden_threshold",
]
