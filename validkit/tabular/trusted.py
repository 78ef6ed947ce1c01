"""The estimators that may travel: a closed list of types, as they are stored without pickle.

What is not on it is refused when a model is locked, and again when one is received. Left out on purpose: whatever
calls a function of somebody's own (FunctionTransformer, callable kernels, distances and weights), and KDTree and
BallTree, whose compiled code walks what it is given without looking (declare algorithm = "brute").
"""

from __future__ import annotations

from validkit.plnm.storage import TRUSTED, Trusted

__all__ = ["KEEPS_ROWS", "TRUSTED_ESTIMATORS"]

KEEPS_ROWS = frozenset(
    {
        "sklearn.neighbors._classification.KNeighborsClassifier",
        "sklearn.neighbors._classification.RadiusNeighborsClassifier",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.NuSVC",
        "validkit.plnm.svm.PlattSVC",
    }
)
"""types whose fitted form holds rows of training patients"""

_SKLEARN = {
    "calibration": ["CalibratedClassifierCV", "_CalibratedClassifier", "_SigmoidCalibration"],
    "discriminant_analysis": ["LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"],
    "dummy": ["DummyClassifier"],
    "ensemble._bagging": ["BaggingClassifier"],
    "ensemble._forest": ["ExtraTreesClassifier", "RandomForestClassifier"],
    "ensemble._gb": ["GradientBoostingClassifier"],
    "ensemble._hist_gradient_boosting.binning": ["_BinMapper"],
    "ensemble._hist_gradient_boosting.gradient_boosting": ["HistGradientBoostingClassifier"],
    "ensemble._hist_gradient_boosting.predictor": ["TreePredictor"],
    "ensemble._voting": ["VotingClassifier"],
    "ensemble._weight_boosting": ["AdaBoostClassifier"],
    "linear_model._logistic": ["LogisticRegression", "LogisticRegressionCV"],
    "linear_model._stochastic_gradient": ["SGDClassifier"],
    "_loss.link": ["Interval", "LogitLink", "HalfLogitLink"],
    "_loss.loss": ["ExponentialLoss", "HalfBinomialLoss"],
    "naive_bayes": ["BernoulliNB", "ComplementNB", "GaussianNB", "MultinomialNB"],
    "neighbors._classification": ["KNeighborsClassifier", "RadiusNeighborsClassifier"],
    "neural_network._multilayer_perceptron": ["MLPClassifier"],
    "neural_network._stochastic_optimizers": ["AdamOptimizer", "SGDOptimizer"],
    "pipeline": ["Pipeline"],
    "preprocessing._data": [
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ],
    "preprocessing._discretization": ["KBinsDiscretizer"],
    "preprocessing._encoders": ["OneHotEncoder", "OrdinalEncoder"],
    "preprocessing._label": ["LabelBinarizer", "LabelEncoder"],
    "preprocessing._polynomial": ["PolynomialFeatures", "SplineTransformer"],
    "svm._classes": ["LinearSVC", "NuSVC", "SVC"],
    "tree._classes": ["DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"],
}
_OBJECTS = {f"sklearn.{module}.{name}" for module, names in _SKLEARN.items() for name in names}
_OBJECTS |= {f"validkit.tabular.steps.{name}" for name in ("Given", "Scale", "Univariable")}
_OBJECTS |= {
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
}
_NUMBERS = {f"numpy.{name}" for name in ("bool", "int8", "uint8", "uint32", "uint64", "intc")}

TRUSTED_ESTIMATORS: Trusted = {
    **TRUSTED,
    "ObjectNode": frozenset(_OBJECTS),
    "NdArrayNode": TRUSTED["NdArrayNode"] | _NUMBERS,
    "TypeNode": TRUSTED["TypeNode"] | _NUMBERS,
    "DictNode": TRUSTED["DictNode"] | {"sklearn.utils._bunch.Bunch"},
    "LossNode": frozenset({"sklearn._loss._loss.CyExponentialLoss", "sklearn._loss._loss.CyHalfBinomialLoss"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator", "numpy.random.PCG64"}),
}
"""`numpy.random.PCG64` is no part of its own: skops asks whether a generator's stored name may be called"""
