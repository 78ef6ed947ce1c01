"""From a declared estimator to an unfitted one: parameters checked, chance owned, one thread."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validkit.errors import InputError
from validkit.sections import Estimator, Estimators
from validkit.tabular.loading import CALIBRATED, load_estimator_class

__all__ = ["check_estimators", "load_estimator_class", "make_estimator", "plain", "version_of"]

# What a package needs to give the same bytes each time and to keep quiet, unless the protocol says otherwise.
PACKAGE_DEFAULTS: dict[str, dict[str, Any]] = {
    "lightgbm": {"deterministic": True, "force_row_wise": True, "verbose": -1}
}


def check_estimators(settings: Estimators) -> None:
    """Import every declared estimator and check its parameters, before anything is fitted."""
    for one in settings.estimators:
        make_estimator(one, random_state=0)


def make_estimator(one: Estimator, *, random_state: int) -> Any:
    """An unfitted estimator as declared.

    `random_state`, its own and those of estimators inside it, is the given seed where the protocol sets none; `n_jobs`
    is 1 throughout. A parameter may itself be an estimator: { estimator = "import.path", parameters = { ... } }.
    """
    place = f"model.estimators ({one.name})"
    made = _instance(load_estimator_class(one.estimator), one.estimator, one.parameters, place)
    known = made.get_params(deep=True)
    if one.search is not None:
        for name in one.search.parameters:
            _check_name(name, known, type(made), f"{place}.search.parameters")
            if name in one.parameters:
                raise InputError(f"{place}: {name!r} is both in `parameters` and searched; declare it once")
    _owned(made, random_state)
    if not hasattr(made, "predict_proba"):
        raise InputError(
            f"{place}: {one.estimator} with these parameters gives no probabilities (no `predict_proba`); "
            f"{CALIBRATED}, or set the parameter that makes it give them"
        )
    return made


def _inner(value: Any, place: str) -> Any:
    """A parameter's value: an estimator where it is declared as one."""
    if isinstance(value, Mapping) and "estimator" in value and set(value) <= {"estimator", "parameters"}:
        return _instance(
            _any_class(str(value["estimator"])), str(value["estimator"]), value.get("parameters", {}), place
        )
    return value


def _any_class(path: str) -> type[Any]:
    """A class at a path, which inside another estimator need not give probabilities."""
    try:
        return load_estimator_class(path)
    except InputError:
        module, _, name = path.rpartition(".")
        found = getattr(sys.modules.get(module), name, None)
        if inspect.isclass(found) and hasattr(found, "get_params"):
            return found
        raise


def _instance(found: Any, path: str, parameters: Mapping[str, Any], place: str) -> Any:
    names = _names(found)
    for name in parameters:
        if "__" not in name:
            _check_name(name, names, found, f"{place}.parameters")
    package = found.__module__.partition(".")[0]
    given = {**PACKAGE_DEFAULTS.get(package, {}), **{k: _inner(v, place) for k, v in parameters.items()}}
    own = {name: value for name, value in given.items() if "__" not in name}
    nested = {name: value for name, value in given.items() if "__" in name}
    try:
        made = found(**own)
    except Exception as error:
        raise InputError(f"{place}: {path} cannot be made with these parameters: {error}") from error
    for name in nested:
        _check_name(name, made.get_params(deep=True), found, f"{place}.parameters")
    return made.set_params(**nested)


def _names(found: type[Any]) -> list[str]:
    """The parameters that a class takes, those of its bases too where it passes them on."""
    names: list[str] = []
    for base in found.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names


def _open(found: type[Any]) -> bool:
    """Whether a class takes parameters beyond those it names, as LightGBM's do."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(found).parameters.values())


def _check_name(name: str, known: Any, found: type[Any], place: str) -> None:
    """A parameter that the estimator does not know; a class open to others refuses only what looks like a slip."""
    if name in known:
        return
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75 if _open(found) else 0.5)
    if near or not _open(found):
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known)) or 'none'}"
        raise InputError(f"{place}: {found.__name__} has no parameter {name!r}{hint}")


def _owned(made: Any, random_state: int) -> None:
    """Seed what has no seed; one job everywhere (which is what None means in scikit-learn, and not elsewhere)."""
    known = made.get_params(deep=True)
    for name, value in sorted(known.items()):
        owner, _, last = name.rpartition("__")
        if last == "random_state" and value is None:
            made.set_params(**{name: random_state})
        if last == "n_jobs" and not (value is None and type(known.get(owner, made)).__module__.startswith("sklearn.")):
            made.set_params(**{name: 1})


def version_of(path: str) -> str:
    """The package and version that an estimator comes from; the digest of its file where it has no version."""
    found = load_estimator_class(path)
    package = found.__module__.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", None)
    if version:
        return f"{package} {version}"
    try:
        source = Path(inspect.getfile(found)).read_bytes()
    except (OSError, TypeError):
        return package
    return f"{package}, file sha256 {hashlib.sha256(source).hexdigest()}"


def plain(value: Any) -> Any:
    """A parameter's value as JSON holds it; an estimator as its repr, a number that is not finite as text."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return " ".join(repr(value).split())
