"""Run folders of other designs and other models: sites left out, repeated folds, resamples, predictions as given.

Run as a script to look at one: `python tests/report/build_designs.py sites FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from build_run import PROTOCOL, Builder
from build_scores import HELD_OUT, TRAINING, curve, estimate, expit, judged, net_benefit, scores
from build_stages import FEATURES

SIZES = {"north": 139, "south": 134, "east": 57, "west": 91}
SITES = {"north": (303, 139), "south": (294, 106), "east": (123, 115), "west": (200, 149)}
MEASURES = {"auc": 0.80, "slope": 0.95, "calibration_in_the_large": 0.05, "oe": 1.02, "brier": 0.17}


def part(rng: np.random.Generator, n: int, events: int, **facts: Any) -> dict:
    """One split's row of "by_split"."""
    found = {}
    for key, centre in MEASURES.items():
        se = 0.9 / np.sqrt(min(events, n - events)) * (0.25 if key in ("auc", "brier") else 1.0)
        method = "DeLong" if key == "auc" else "Wald"
        found[key] = estimate(centre + 0.8 * se * rng.normal(), se, method, n, events, unit=key in ("auc", "brier"))
    return {**facts, "n": n, "events": events, **found}


def pooled(rows: list[dict]) -> dict:
    """Random effects over sites, in the shape of `PooledEstimate.to_dict()`."""
    found = {}
    for key in MEASURES:
        mean = float(np.mean([row[key]["value"] for row in rows]))
        mean_of = estimate(mean, 0.04, "REML, Knapp-Hartung t(3)", 0, 0, unit=False) | {"n": None, "n_events": None}
        new = {**mean_of, "low": mean - 0.3, "high": mean + 0.3, "method": "prediction, t(k - 1 = 3)"}
        found[key] = {
            "estimate": mean_of,
            "prediction": new,
            "tau": {**mean_of, "value": 0.5, "low": 0.18, "high": 2.29, "method": "REML, Q profile"},
            "i2": {**mean_of, "value": 0.81, "low": 0.37, "high": 0.99, "method": "REML, Q profile"},
            "q": judged(14.99, 0.0018, 3, "Cochran's Q", 0, 0) | {"n": None, "n_events": None},
            "scale": "logit" if key == "auc" else "identity",
            "sites": [row["site"] for row in rows],
            "note": "",
        }
    return found


def flow(y: dict[str, np.ndarray], excluded: int, step: str, reason: str) -> list[dict]:
    """The flow of a design in which every patient who is analysed is judged, as `recording.flow` writes it."""
    n, events = sum(map(len, y.values())), int(sum(part.sum() for part in y.values()))
    return [
        {"step": "in cohort.csv", "n": n + excluded, "events": None, "reason": ""},
        {"step": "excluded", "n": excluded, "events": None, "reason": "missing values"},
        {"step": "analysed", "n": n, "events": events, "reason": ""},
        {"step": step, "n": n, "events": events, "reason": reason},
    ]


class Designs(Builder):
    """A study whose model and design are declared by `kind` and `design`."""

    kind = "estimators"
    names: ClassVar[dict[str, str]] = {"lr": "Logistic regression", "boosting": "Gradient boosting"}
    design: ClassVar[dict[str, Any]] = {}
    sites: ClassVar[dict[str, int]] = SIZES
    sentence = ""

    def write(self) -> Path:
        (self.folder / "stages").mkdir(parents=True, exist_ok=True)
        self._json("run.json", self.run())
        self._json("protocol.resolved.json", {"digest": "3f" * 32, "protocol": self.protocol()})
        self._json("evaluation.json", self.evaluation())
        self._json("stages/cohort.json", self.cohort())
        self._json("stages/splits.json", self.splits())
        if self.kind == "estimators":
            self._json("stages/estimators.json", self.estimators())
        return self.folder

    def protocol(self) -> dict:
        evaluation = {**PROTOCOL["evaluation"], "combine": "average"}
        evaluation["compare"] = {**evaluation["compare"], "reference": next(iter(self.names))}
        cohort = {
            **PROTOCOL["cohort"],
            "missing": "impute",
            "predictors": {"ca": {"label": "Major vessels"}, "age": {"label": "Age"}},
        }
        imputation = {"method": "iterative", "copies": 10, "iterations": 10, "combine": "rubin", "indicator": False}
        return {
            "cohort": cohort,
            "evaluation": evaluation,
            "design": self.design,
            "imputation": imputation,
            "model": {"kind": self.kind},
        }

    def run(self) -> dict:
        found = super().run()
        n, events = sum(self.sizes.values()), int(sum(y.sum() for y in self.y.values()))
        found |= {
            "synthetic": False,
            "command": "validkit run designs.toml",
            "overrides": [],
            "notices": [],
            "looks": [],
        }
        found["protocol"] = {**found["protocol"], "name": "designs", "question": "Does it hold elsewhere?"}
        final = self.design["kind"] not in ("as-given", "external")
        everyone, nobody = {"n": n, "events": events}, {"n": 0, "events": 0}
        found["cohort"] |= {"training": everyone if final else nobody, "held_out": everyone}
        found["cohort"] |= {"excluded": [], "description": "", "sites": dict(self.sites)}
        found["design"] = {
            "kind": self.design["kind"],
            "splits": self.n_splits(),
            "final": final,
            "sentence": self.sentence,
        }
        found["fits"] = {"planned": 40, "made": 40, "units": self.n_splits() + final}
        return found

    def n_splits(self) -> int:
        return 1

    def sets(self, y: np.ndarray, risk: np.ndarray) -> dict:
        return {
            TRAINING: scores(y, expit(1.2 * np.log(risk / (1 - risk))), 0.27, self.rng, False),
            HELD_OUT: scores(y, risk, 0.27, self.rng, True),
        }

    def extras(self, i: int) -> dict:
        return {}

    def evaluation(self) -> dict:
        y = np.concatenate([self.y[TRAINING], self.y[HELD_OUT]])
        z = np.concatenate([self.latent[TRAINING], self.latent[HELD_OUT]])
        grid = np.linspace(0, 1, 101)
        names = ("threshold probability", "net benefit")
        models = []
        for i, (name, label) in enumerate(self.names.items()):
            risk = expit(-1.2 + (1.0 - 0.2 * i) * z + 0.7 * self.rng.normal(size=len(z)))
            facts = {"name": name, "label": label, "family": self.kind, "classifier": None, "backbone": None}
            models.append({**facts, "chosen": True, "sets": self.sets(y, risk), **self.extras(i)})
        n, events = len(y), int(y.sum())
        everyone = [net_benefit(y, np.ones(n), t) for t in grid]
        strategies = {
            "treat_all": curve(grid, everyone, None, None, names, "treat all", n, events),
            "treat_none": curve(grid, np.zeros(101), None, None, names, "treat none", n, events),
        }
        first, second = list(self.names)[:2]
        difference = {
            "a": first,
            "b": second,
            "difference": estimate(0.03, 0.02, "DeLong, paired", n, events, unit=False),
            "test": judged(1.5, 0.13, None, "DeLong, paired", n, events),
            "p_adjusted": 0.13,
        }
        where = list(models[0]["sets"])
        return {
            "level": 0.95,
            "focus": [0.1, 0.5],
            "primary": "corrected" if "corrected" in where else HELD_OUT,
            "design": {**self.design, "splits": self.n_splits(), "combine": "average", "rubin": True},
            "models": models,
            "reference_strategies": {name: strategies for name in where if name != "corrected"},
            "comparisons": {name: [difference] for name in where if name != "corrected"},
            "acceptance": None,
            "predictions_digest": "b7" * 32,
        }

    def cohort(self) -> dict:
        missing = [
            {"predictor": name, "site": site, "n": n, "missing": n // 3 if name == "ca" else 0}
            for name in ("age", "ca")
            for site, n in self.sites.items()
        ]
        return {**super().cohort(), "flow": self.flow(), "missing": missing}

    def flow(self) -> list[dict]:
        steps = {
            "bootstrap": ("judged by resampling", f"in each of {self.n_splits()} resamples, those not drawn"),
            "as-given": ("held out", ""),
            "external": ("held out", ""),
        }
        in_turn = ("held out in turn", f"each by a fit that did not see them; {self.n_splits()} fits")
        return flow(self.y, 0, *steps.get(self.design["kind"], in_turn))

    def fit(self, name: str, i: int, **facts: Any) -> dict:
        chosen = {"lr": f"C = {0.1 if i % 3 else 1.0}"}
        one = {"split": name, "repeat": 1, "fold": i + 1, "site": "", "training": 300, "distinct": 300}
        one |= {"held_out": 100, "chosen": chosen, "fits": 8, "features": [], "seconds": 2.5 + i, "notes": []}
        return one | {"parameters": f"{i:02d}" * 32} | facts

    def rows(self) -> list[dict]:
        return []

    def splits(self) -> dict:
        final = self.fit("final", 0, repeat=0, fold=0, training=421, distinct=421, held_out=0)
        return {"design": self.design, "main": "final", "splits": [*self.rows(), final]}

    def estimators(self) -> dict:
        coefficients = {"intercept": -0.33, "columns": [{"column": "age", "coefficient": 0.1453}]}
        table = [{"parameters": {"C": c}, "mean": -0.42 - c / 100, "sd": 0.02} for c in (0.1, 1.0)]
        search = {"score": "neg-log-loss", "folds": 5, "n_candidates": 2, "best_score": -0.42, "best_sd": 0.02}
        search |= {"chosen": {"C": 0.1}, "table": table}
        models = [
            {
                "name": name,
                "label": label,
                "estimator": f"sklearn.some.{name}",
                "version": "sklearn 1.9.1",
                "parameters": {"C": 0.1, "random_state": 7},
                "declared": {"max_iter": 1000},
                "missing": "impute" if name == "lr" else "native",
                "scaled": name == "lr",
                "search": search if name == "lr" else None,
                "columns": ["age", "ca"],
                "selected": ["age"],
                "coefficients": coefficients if name == "lr" else None,
                "recalibration": {"method": "platt", "intercept": 0.1, "slope": 0.9} if name == "lr" else None,
                "notes": ["lbfgs did not converge (in 2 of 8 fits)"] if name == "lr" else [],
                "fits": 8,
            }
            for name, label in self.names.items()
        ]
        imputation = {"method": "iterative", "n": 421, "missing": {"age": 0, "ca": 140}, "notes": ["ca: few values"]}
        return {"before_split": [], "imputation": imputation, "models": models}


class Sites(Designs):
    """Sites left out in turn, ten imputed copies."""

    sites: ClassVar[dict[str, int]] = {site: n for site, (n, _) in SITES.items()}
    design: ClassVar[dict[str, Any]] = {"kind": "internal-external", "smallest": 5, "final": True}
    sentence = "each of 4 sites was left out in turn"

    def __init__(self, folder: Path, **options: Any) -> None:
        n, events = (sum(column) for column in zip(*SITES.values(), strict=True))
        super().__init__(folder, training=600, held_out=n - 600, **options)
        z = np.concatenate([self.latent[TRAINING], self.latent[HELD_OUT]]) + self.rng.normal(size=n)
        y = np.zeros(n, int)
        y[np.argsort(-z)[:events]] = 1
        self.y = {TRAINING: y[:600], HELD_OUT: y[600:]}

    def n_splits(self) -> int:
        return len(SITES)

    def sets(self, y: np.ndarray, risk: np.ndarray) -> dict:
        lost = {"auc": 0.12, "brier": 0.2}
        return {
            name: {**one, "imputed_copies": 10, "missing_information": lost}
            for name, one in super().sets(y, risk).items()
        }

    def extras(self, i: int) -> dict:
        rows = [
            part(self.rng, n, events, split=f"site-{k:02d}", repeat=1, fold=k, site=site)
            for k, (site, (n, events)) in enumerate(SITES.items(), 1)
        ]
        return {"by_split": rows, "pooled": pooled(rows)}

    def rows(self) -> list[dict]:
        return [self.fit(f"site-{i + 1:02d}", i, site=site) for i, site in enumerate(SITES)]


class Folds(Designs):
    """Six repeats of five folds."""

    design: ClassVar[dict[str, Any]] = {
        "kind": "repeated-kfold",
        "folds": 5,
        "repeats": 6,
        "stratify": "outcome",
        "final": True,
    }
    sentence = "each of 421 patients was held out 6 times, in 30 splits"

    def n_splits(self) -> int:
        return 30

    def places(self) -> list[dict]:
        return [
            {"split": f"repeat-{r:02d}-fold-{f}", "repeat": r, "fold": f, "site": ""}
            for r in range(1, 7)
            for f in range(1, 6)
        ]

    def sets(self, y: np.ndarray, risk: np.ndarray) -> dict:
        found = super().sets(y, risk)
        return {**found, HELD_OUT: {**found[HELD_OUT], "repeats": 6}}

    def extras(self, i: int) -> dict:
        rows = [part(self.rng, 84, 25, **place) for place in self.places()]
        rows[7]["slope"] = {**rows[7]["slope"], "value": None, "low": None, "high": None, "note": "separated"}
        return {"by_split": rows}

    def rows(self) -> list[dict]:
        return [self.fit(place["split"], i, **place) for i, place in enumerate(self.places())]


class Resamples(Designs):
    """Forty bootstrap resamples."""

    design: ClassVar[dict[str, Any]] = {"kind": "bootstrap", "resamples": 40, "stratify": "none"}
    sentence = "the whole model was fitted again in 40 bootstrap resamples of 421 patients"

    def n_splits(self) -> int:
        return 40

    def sets(self, y: np.ndarray, risk: np.ndarray) -> dict:
        apparent = scores(y, risk, 0.27, self.rng, False)
        own = {key: apparent[key] for key in MEASURES}
        measures = apparent["measures"]
        return {TRAINING: apparent, "corrected": {"n": len(y), "events": int(y.sum()), **own, "measures": measures}}

    def extras(self, i: int) -> dict:
        metrics = {}
        e = lambda v: estimate(v, 0.02, "DeLong", 421, 130, unit=False)  # noqa: E731
        bare = lambda v: {**e(v), "low": None, "high": None}  # noqa: E731
        for name in ("auc", "brier", "calibration_slope", "calibration_in_the_large", "observed_expected", "f1"):
            metrics[name] = {
                "apparent": e(0.89),
                "optimism": bare(0.01),
                "corrected": e(0.88),
                "out_of_bag": bare(0.87),
                "point632": bare(0.877),
                "point632_plus": bare(0.876) if name == "auc" else {**bare(0), "value": None, "note": "not known"},
            }
        return {"optimism": {"resamples": 40, "failures": {"one outcome only": 2}, "metrics": metrics}}

    def rows(self) -> list[dict]:
        return [self.fit(f"resample-{i:03d}", i, fold=0, distinct=266) for i in range(40)]


class Given(Designs):
    """Predictions made elsewhere."""

    kind = "predictions"
    names: ClassVar[dict[str, str]] = {"risk": "The model", "shifted": "The model, shifted"}
    design: ClassVar[dict[str, Any]] = {"kind": "as-given"}
    sentence = "predictions made elsewhere for 421 patients were judged as they are"

    def sets(self, y: np.ndarray, risk: np.ndarray) -> dict:
        return {HELD_OUT: scores(y, risk, 0.27, self.rng, True)}

    def splits(self) -> dict:
        return {"design": self.design, "main": "all", "splits": [self.fit("all", 0, fits=0, chosen={}, training=0)]}


class Locked(Given):
    """A locked model on patients it had never seen."""

    kind = "bundle"
    names: ClassVar[dict[str, str]] = {"lr": "Logistic regression", "boosting": "Gradient boosting"}
    design: ClassVar[dict[str, Any]] = {"kind": "external"}
    sentence = "a locked model was applied to 421 patients it had never seen"


class NestedModel(Builder):
    """The PLNM model in five folds, every choice made again."""

    def run(self) -> dict:
        found = super().run()
        found["design"] = {
            "kind": "nested",
            "splits": 5,
            "final": True,
            "sentence": "each of 421 patients was held out",
        }
        found["fits"] = {"planned": 3000, "made": 2990, "units": 6}
        everyone = {"n": found["cohort"]["patients"], "events": found["cohort"]["events"]}
        found["cohort"] |= {"training": everyone, "held_out": everyone}
        look = found["looks"][0]
        found["looks"] = [{**look, "split": f"fold-{i}"} for i in range(1, 6)]
        return found

    def evaluation(self) -> dict:
        found = super().evaluation()
        for model in found["models"]:
            if model["name"] in ("nomogram", "clinical"):
                model["by_split"] = [
                    part(self.rng, 84, 26, split=f"fold-{i}", repeat=1, fold=i, site="") for i in range(1, 6)
                ]
        return found

    def cohort(self) -> dict:
        reason = "each by a fit that did not see them; 5 fits"
        return {**super().cohort(), "flow": flow(self.y, 1, "held out in turn", reason)}

    def splits(self) -> dict:
        base = super().splits()["splits"][0]
        rows = []
        for i in range(1, 6):
            chosen = {"deep": ("densenet121", "resnet50")[i % 2], "radiomics": "mlp", "fusion": "svm"}
            kept = list(FEATURES[: 3 + i % 4])
            note = {"severity": "note", "stage": "radiomics", "text": "3 values were undefined"}
            rows.append({**base, "split": f"fold-{i}", "fold": i, "chosen": chosen, "features": kept, "notes": [note]})
        return {"design": {"kind": "nested"}, "main": "final", "splits": [*rows, {**base, "split": "final"}]}


VARIANTS = {
    "sites": Sites,
    "folds": Folds,
    "resamples": Resamples,
    "given": Given,
    "external": Locked,
    "nested": NestedModel,
}


def build_variant(name: str, folder: Path) -> Path:
    """A run folder of that design."""
    found: Path = VARIANTS[name](folder).write()
    return found


SENTINELS = [
    {
        "code": "proxies",
        "question": "Does a column that is no finding of the patient predict the outcome by itself?",
        "outcome": "pass",
        "why": "none of 2 columns predicts the outcome by itself",
        "evidence": {
            "n": 421,
            "events": 130,
            "columns": [
                {"column": f"c{i}", "auc": 0.51, "low": 0.44, "high": 0.58, "p_holm": 1.0, "outcome": "pass"}
                for i in range(12)
            ],
        },
        "advice": "Nothing needs to be done.",
        "method": "DeLong; Holm",
    },
    {
        "code": "duplicates",
        "question": "Is one patient, or one image, on both sides of a split?",
        "outcome": "fail",
        "why": "images: 3 on both sides of a split",
        "evidence": {"n": 421, "gain": {"value": 0.06, "low": 0.02, "high": 0.1, "n": 421, "n_events": 130}},
        "advice": "Keep one of each pair.",
        "method": "SHA-256",
    },
    {
        "code": "burnt-in",
        "question": "Do marks outside the lesion predict the outcome?",
        "outcome": "not applicable",
        "why": "the cohort has no images",
        "evidence": {},
        "advice": "",
        "method": "",
    },
]
"""findings of three sentinels, one of each outcome"""


def with_sentinels(folder: Path) -> Path:
    """The folder, with `SENTINELS` in its run.json."""
    path = folder / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "sentinels": SENTINELS}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(with_sentinels(build_variant(sys.argv[1], Path(sys.argv[2]))))
