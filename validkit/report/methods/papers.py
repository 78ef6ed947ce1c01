"""The papers whose methods validkit follows, by their key in the text; every field is known, none is guessed."""

from __future__ import annotations

from validkit.report.methods.entries import Entry, article, book, chapter

__all__ = ["PAPERS"]

BIOMETRICS, BIOMETRIKA, JASA = "Biometrics", "Biometrika", "Journal of the American Statistical Association"
STAT_MED, SMMR = "Statistics in Medicine", "Statistical Methods in Medical Research"
JCE, AJE = "Journal of Clinical Epidemiology", "American Journal of Epidemiology"
JRSSB, JSS = "Journal of the Royal Statistical Society: Series B", "Journal of Statistical Software"

DISCRIMINATION = {
    "DeLong1988": article(
        "DeLong, E. R. and DeLong, D. M. and Clarke-Pearson, D. L.",
        "Comparing the areas under two or more correlated receiver operating characteristic curves: a nonparametric "
        "approach",
        BIOMETRICS, 1988, "44(3)", "837--845", "10.2307/2531595",
    ),
    "Sun2014": article(
        "Sun, X. and Xu, W.",
        "Fast implementation of DeLong's algorithm for comparing the areas under correlated receiver operating "
        "characteristic curves",
        "IEEE Signal Processing Letters", 2014, "21(11)", "1389--1393", "10.1109/LSP.2014.2337313",
    ),
    "vanKlaveren2016": article(
        "van Klaveren, D. and G{\\\"o}nen, M. and Steyerberg, E. W. and Vergouwe, Y.",
        "A new concordance measure for risk prediction models in external validation settings",
        STAT_MED, 2016, "35(23)", "4136--4152", "10.1002/sim.6997",
    ),
}  # fmt: skip

CALIBRATION = {
    "Cox1958": article(
        "Cox, D. R.", "Two further applications of a model for binary regression",
        BIOMETRIKA, 1958, "45(3-4)", "562--565", "10.1093/biomet/45.3-4.562",
    ),
    "Debray2017": article(
        "Debray, T. P. A. and others", "A guide to systematic review and meta-analysis of prediction model performance",
        "BMJ", 2017, "356", "i6460", "10.1136/bmj.i6460",
    ),
    "Austin2014": article(
        "Austin, P. C. and Steyerberg, E. W.",
        "Graphical assessment of internal and external calibration of logistic regression models by using loess "
        "smoothers",
        STAT_MED, 2014, "33(3)", "517--535", "10.1002/sim.5941",
    ),
    "Austin2019": article(
        "Austin, P. C. and Steyerberg, E. W.",
        "The Integrated Calibration Index (ICI) and related metrics for quantifying the calibration of logistic "
        "regression models",
        STAT_MED, 2019, "38(21)", "4051--4065", "10.1002/sim.8281",
    ),
    "Hosmer1980": article(
        "Hosmer, D. W. and Lemeshow, S.", "Goodness of fit tests for the multiple logistic regression model",
        "Communications in Statistics: Theory and Methods", 1980, "9(10)", "1043--1069", "10.1080/03610928008827941",
    ),
    "Platt1999": chapter(
        "Platt, J. C.",
        "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods",
        "Advances in Large Margin Classifiers", 1999, "61--74",
    ),
    "Vergouwe2017": article(
        "Vergouwe, Y. and others", "A closed testing procedure to select an appropriate method for updating prediction "
        "models",
        STAT_MED, 2017, "36(28)", "4529--4539", "10.1002/sim.7179",
    ),
    "Vergouwe2010": article(
        "Vergouwe, Y. and Moons, K. G. M. and Steyerberg, E. W.",
        "External validity of risk models: use of benchmark values to disentangle a case-mix effect from incorrect "
        "coefficients",
        AJE, 2010, "172(8)", "971--980", "10.1093/aje/kwq223",
    ),
}  # fmt: skip

MEASURES = {
    "Brier1950": article(
        "Brier, G. W.", "Verification of forecasts expressed in terms of probability",
        "Monthly Weather Review", 1950, "78(1)", "1--3", "10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    ),
    "Wilson1927": article(
        "Wilson, E. B.", "Probable inference, the law of succession, and statistical inference",
        JASA, 1927, "22(158)", "209--212", "10.1080/01621459.1927.10502953",
    ),
    "Clopper1934": article(
        "Clopper, C. J. and Pearson, E. S.",
        "The use of confidence or fiducial limits illustrated in the case of the binomial",
        BIOMETRIKA, 1934, "26(4)", "404--413", "10.1093/biomet/26.4.404",
    ),
    "Youden1950": article(
        "Youden, W. J.", "Index for rating diagnostic tests",
        "Cancer", 1950, "3(1)", "32--35", "10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3",
    ),
    "Vickers2006": article(
        "Vickers, A. J. and Elkin, E. B.",
        "Decision curve analysis: a novel method for evaluating prediction models",
        "Medical Decision Making", 2006, "26(6)", "565--574", "10.1177/0272989X06295361",
    ),
    "Marsh2020": article(
        "Marsh, T. L. and Janes, H. and Pepe, M. S.",
        "Statistical inference for net benefit measures in biomarker validation studies",
        BIOMETRICS, 2020, "76(3)", "843--852", "10.1111/biom.13190",
    ),
    "VanCalster2025": article(
        "Van Calster, B. and others",
        "Evaluation of performance measures in predictive artificial intelligence models to support medical decisions: "
        "overview and guidance",
        "The Lancet Digital Health", 2025, "7(12)", "100916", "10.1016/j.landig.2025.100916",
    ),
    "Holm1979": article(
        "Holm, S.", "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics", 1979, "6(2)", "65--70",
    ),
    "Hochberg1988": article(
        "Hochberg, Y.", "A sharper Bonferroni procedure for multiple tests of significance",
        BIOMETRIKA, 1988, "75(4)", "800--802", "10.1093/biomet/75.4.800",
    ),
    "Benjamini1995": article(
        "Benjamini, Y. and Hochberg, Y.",
        "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
        JRSSB, 1995, "57(1)", "289--300", "10.1111/j.2517-6161.1995.tb02031.x",
    ),
    "Shrout1979": article(
        "Shrout, P. E. and Fleiss, J. L.", "Intraclass correlations: uses in assessing rater reliability",
        "Psychological Bulletin", 1979, "86(2)", "420--428", "10.1037/0033-2909.86.2.420",
    ),
}  # fmt: skip

DESIGN = {
    "Efron1987": article(
        "Efron, B.", "Better bootstrap confidence intervals",
        JASA, 1987, "82(397)", "171--185", "10.1080/01621459.1987.10478410",
    ),
    "Efron1993": book("Efron, B. and Tibshirani, R. J.", "An Introduction to the Bootstrap", "Chapman and Hall", 1993),
    "Efron1997": article(
        "Efron, B. and Tibshirani, R.", "Improvements on cross-validation: the .632+ bootstrap method",
        JASA, 1997, "92(438)", "548--560", "10.1080/01621459.1997.10474007",
    ),
    "Harrell1996": article(
        "Harrell, F. E. and Lee, K. L. and Mark, D. B.",
        "Multivariable prognostic models: issues in developing models, evaluating assumptions and adequacy, and "
        "measuring and reducing errors",
        STAT_MED, 1996, "15(4)", "361--387", "10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4",
    ),
    "Noma2021": article(
        "Noma, H. and Shinozaki, T. and Iba, K. and Teramukai, S. and Furukawa, T. A.",
        "Confidence intervals of prediction accuracy measures for multivariable prediction models based on the "
        "bootstrap-based optimism correction methods",
        STAT_MED, 2021, "40(26)", "5691--5701", "10.1002/sim.9148",
    ),
    "Varma2006": article(
        "Varma, S. and Simon, R.", "Bias in error estimation when using cross-validation for model selection",
        "BMC Bioinformatics", 2006, "7", "91", "10.1186/1471-2105-7-91",
    ),
    "Steyerberg2016": article(
        "Steyerberg, E. W. and Harrell, F. E.",
        "Prediction models need appropriate internal, internal-external, and external validation",
        JCE, 2016, "69", "245--247", "10.1016/j.jclinepi.2015.04.005",
    ),
    "Viechtbauer2005": article(
        "Viechtbauer, W.", "Bias and efficiency of meta-analytic variance estimators in the random-effects model",
        "Journal of Educational and Behavioral Statistics", 2005, "30(3)", "261--293", "10.3102/10769986030003261",
    ),
    "Knapp2003": article(
        "Knapp, G. and Hartung, J.", "Improved tests for a random effects meta-regression with a single covariate",
        STAT_MED, 2003, "22(17)", "2693--2710", "10.1002/sim.1482",
    ),
    "Snell2018": article(
        "Snell, K. I. E. and Ensor, J. and Debray, T. P. A. and Moons, K. G. M. and Riley, R. D.",
        "Meta-analysis of prediction model performance across multiple studies: which scale helps ensure "
        "between-study normality for the C-statistic and calibration measures?",
        SMMR, 2018, "27(11)", "3505--3522", "10.1177/0962280217705678",
    ),
    "Johnson2007": article(
        "Johnson, W. E. and Li, C. and Rabinovic, A.",
        "Adjusting batch effects in microarray expression data using empirical Bayes methods",
        "Biostatistics", 2007, "8(1)", "118--127", "10.1093/biostatistics/kxj037",
    ),
    "Riley2021": article(
        "Riley, R. D. and others",
        "Minimum sample size for external validation of a clinical prediction model with a binary outcome",
        STAT_MED, 2021, "40(19)", "4230--4251", "10.1002/sim.9025",
    ),
    "Rubin1987": book(
        "Rubin, D. B.", "Multiple Imputation for Nonresponse in Surveys", "Wiley", 1987, "10.1002/9780470316696",
    ),
    "Barnard1999": article(
        "Barnard, J. and Rubin, D. B.", "Small-sample degrees of freedom with multiple imputation",
        BIOMETRIKA, 1999, "86(4)", "948--955", "10.1093/biomet/86.4.948",
    ),
    "White2011": article(
        "White, I. R. and Royston, P. and Wood, A. M.",
        "Multiple imputation using chained equations: issues and guidance for practice",
        STAT_MED, 2011, "30(4)", "377--399", "10.1002/sim.4067",
    ),
    "Little1988": article(
        "Little, R. J. A.", "Missing-data adjustments in large surveys",
        "Journal of Business and Economic Statistics", 1988, "6(3)", "287--296",
    ),
}  # fmt: skip

PAPERS: dict[str, Entry] = {**DISCRIMINATION, **CALIBRATION, **MEASURES, **DESIGN}
"""every paper on validation and its statistics"""
