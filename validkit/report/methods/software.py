"""With what the study was run, under which protocol, and what repeats it."""

from __future__ import annotations

from validkit.report import text
from validkit.report.methods.references import REFERENCES, version_of
from validkit.report.methods.saying import authors, cite, cut, quoted, said, told
from validkit.report.methods.tools import CITED_AS, SOFTWARE
from validkit.report.records import NotAvailable, Run, dig, need
from validkit.report.values import count

__all__ = ["software_text"]

ALWAYS = ("numpy", "scipy", "pandas", "statsmodels")
OF_KIND = {
    "plnm": ("scikit-learn", "torch", "pyradiomics", "simpleitk"),
    "estimators": ("scikit-learn",),
}
CALLED = {
    "numpy": "NumPy",
    "scipy": "SciPy",
    "torch": "PyTorch",
    "pyradiomics": "PyRadiomics",
    "simpleitk": "SimpleITK",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
}
SHORT = 12


def software_text(run: Run) -> str:
    """Software with versions, seeds, the protocol and its seal, the code and the data."""
    return told(run, (_software, _seeds, _protocol, _sealed, _locked, _data))


def _software(run: Run) -> str:
    own = said(need(run.info.get("validkit"), "a version of validkit"))
    versions = run.info.get("versions") or {}
    python = f" under Python {said(versions['python'])}" if versions.get("python") else ""
    listed = [_package(name, versions) for name in _used(run) if versions.get(name)]
    more = f", with {text.listed(listed, 20)}" if listed else ""
    return f"Analyses were run with validkit {own} {cite('validkit')}{python}{more}."


def _package(name: str, versions: dict[str, object]) -> str:
    version = version_of(REFERENCES[CITED_AS[name]], versions)
    return f"{CALLED.get(name, name)}{f' {version}' if version else ''} {cite(CITED_AS[name])}"


def _used(run: Run) -> list[str]:
    """Packages that the run used for certain."""
    found = [*ALWAYS, *OF_KIND.get(run.kind, ())]
    classifiers = {str(row.get("name")) for row in run.records_of("classifiers").get("fusion") or []}
    roots = {str(m.get("estimator")).partition(".")[0] for m in run.records_of("estimators").get("models") or []}
    found += [name for name in ("xgboost", "lightgbm") if name in classifiers | roots]
    return [name for name in found if name in {entry.package for entry in SOFTWARE.values()}]


def _seeds(run: Run) -> str:
    names = {"split": "random numbers of splits and statistics came", "torch": "those of networks"}
    seeds = {name: count(value) for name, value in (run.info.get("seeds") or {}).items()}
    if run.kind != "plnm":
        seeds.pop("torch", None)
    listed = [f"{names.get(name, said(name))} from seed {seed}" for name, seed in seeds.items() if seed is not None]
    return f"{text.capital(text.listed(need(listed, 'seeds')))}."


def _protocol(run: Run) -> str:
    name, digest = (need(dig(run.info, f"protocol.{key}"), f"the protocol's {key}") for key in ("name", "digest"))
    return f"The protocol {quoted(name)} (digest {said(str(digest)[:SHORT])}) set out the model, design and analysis."


def _sealed(run: Run) -> str:
    if dig(run.info, "sealed.state") != "sealed":
        raise NotAvailable("the protocol was not sealed")
    return f"{text.capital(cut(need(dig(run.info, 'sealed.sentence'), 'a seal')))}."


def _locked(run: Run) -> str:
    if "bundle.zip" not in (run.info.get("files") or {}):
        raise NotAvailable("the run wrote no bundle")
    return "The fitted model was written as a bundle, every part with its SHA-256."


def _data(run: Run) -> str:
    digest = said(str(need(dig(run.info, "cohort.digest"), "the cohort's digest"))[:SHORT])
    gap = "" if run.synthetic else f" {authors('availability of data, code and model')}"
    return f"The data of the cohort had the digest {digest}.{gap}"
