"""A scikit-learn classifier by its import path; what cannot serve is refused with what it is and the nearest name."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
from types import ModuleType
from typing import Any

from validkit.errors import InputError

__all__ = ["load_estimator_class"]

NEEDED = ("fit", "predict_proba", "get_params", "set_params")
EXTRAS = {"xgboost": "validkit[models]", "lightgbm": "validkit[models]", "sklearn": "scikit-learn"}


def load_estimator_class(path: str) -> type[Any]:
    """The class at an import path such as "sklearn.linear_model.LogisticRegression".

    It must be a classifier as scikit-learn has them: a class with `fit`, `predict_proba`, `get_params`, `set_params`.
    """
    module_path, _, name = path.rpartition(".")
    if not module_path or not all(part.isidentifier() for part in path.split(".")):
        raise InputError(
            f'estimator {path!r} is no import path; write "package.module.Class", for example '
            '"sklearn.linear_model.LogisticRegression"'
        )
    module = _module(module_path, path)
    found = _attribute(module, name, path)
    _refuse_other_than_a_class(found, module, path)
    lacking = [method for method in NEEDED if not callable(getattr(found, method, None))]
    if lacking:
        raise InputError(f"estimator {path!r} {_instead(found, module, lacking)}")
    return found


def _module(module_path: str, path: str) -> ModuleType:
    """Import a module; a missing one is named by the first part that is missing."""
    parts = module_path.split(".")
    for depth in range(1, len(parts) + 1):
        part = ".".join(parts[:depth])
        try:
            there = importlib.util.find_spec(part) is not None
        except (ImportError, ValueError, AttributeError):
            there = False
        if not there:
            raise InputError(f"estimator {path!r}: {_missing(parts, depth)}")
    try:
        return importlib.import_module(module_path)
    except Exception as error:
        raise InputError(
            f"estimator {path!r}: importing {module_path!r} failed: {type(error).__name__}: {error}"
        ) from error


def _missing(parts: list[str], depth: int) -> str:
    """What to say of a package or module that is not there."""
    name = ".".join(parts[:depth])
    if depth == 1:
        near = difflib.get_close_matches(name, list(EXTRAS), n=1, cutoff=0.7)
        if near and near[0] != name:
            return f"no package {name!r} is installed; did you mean {near[0]!r}?"
        return (
            f"package {name!r} is not installed: pip install '{EXTRAS.get(name, name)}'; a module of your own must lie "
            "where Python finds it (PYTHONPATH)"
        )
    parent = importlib.import_module(".".join(parts[: depth - 1]))
    known = [module.name for module in pkgutil.iter_modules(getattr(parent, "__path__", []))]
    return f"{parent.__name__!r} has no module {parts[depth - 1]!r}{_near(parts[depth - 1], known)}"


def _attribute(module: ModuleType, name: str, path: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        known = [other for other in {*dir(module), *getattr(module, "__all__", ())} if not other.startswith("_")]
        raise InputError(f"estimator {path!r}: {module.__name__!r} has no {name!r}{_near(name, known)}") from None


def _refuse_other_than_a_class(found: Any, module: ModuleType, path: str) -> None:
    if inspect.isclass(found):
        return
    what = "a module" if inspect.ismodule(found) else "a function" if callable(found) else f"a {type(found).__name__}"
    names = _classifiers(found if inspect.ismodule(found) else module)
    hint = f"; there are {', '.join(names)}" if names else ""
    raise InputError(f"estimator {path!r} is {what}; it must be a classifier class{hint}")


def _instead(found: type[Any], module: ModuleType, lacking: list[str]) -> str:
    """What a class that cannot serve is, and what to write in its place."""
    if _kind(found) == "regressor" or (hasattr(found, "predict") and "Regress" in found.__name__):
        near = difflib.get_close_matches(
            found.__name__.replace("Regressor", "Classifier"), _classifiers(module), n=1, cutoff=0.6
        )
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"is a regressor; a classifier with `predict_proba` is needed{hint}"
    if hasattr(found, "decision_function") and hasattr(found, "fit"):
        return (
            f"gives scores, not probabilities (no `predict_proba`); {CALIBRATED}, with parameters.estimator = "
            f'{{ estimator = "{found.__module__.split("._")[0]}.{found.__name__}" }}'
        )
    if hasattr(found, "transform") and not hasattr(found, "predict"):
        return "is a transformer; a classifier with `fit` and `predict_proba` is needed"
    return (
        f"is no scikit-learn classifier: it has no {', '.join(f'`{name}`' for name in lacking)}; a class of your own "
        "derives from sklearn.base.ClassifierMixin and sklearn.base.BaseEstimator"
    )


CALIBRATED = 'declare "sklearn.calibration.CalibratedClassifierCV" around it'


def _kind(found: type[Any]) -> str:
    """What scikit-learn's mixins say a class is: "regressor", "classifier" ... or nothing."""
    from sklearn.base import ClassifierMixin, RegressorMixin

    if issubclass(found, RegressorMixin) and not issubclass(found, ClassifierMixin):
        return "regressor"
    return "classifier" if issubclass(found, ClassifierMixin) else ""


def _classifiers(module: ModuleType) -> list[str]:
    """Names of the module's own classes that could serve."""
    names = getattr(module, "__all__", dir(module))
    found = [(name, getattr(module, name, None)) for name in names if not name.startswith("_")]
    return sorted(
        name
        for name, value in found
        if inspect.isclass(value) and all(callable(getattr(value, method, None)) for method in NEEDED)
    )


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
