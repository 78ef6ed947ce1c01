"""Builds a complete run folder with synthetic numbers: what `validkit run` would leave for the report.

Run as a script to look at the result: `python tests/report/build_run.py FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from build_scores import BACKBONES, CLASSIFIERS, HELD_OUT, TRAINING, curve, estimate, expit, judged, net_benefit, scores
from build_stages import Stages

PROTOCOL = {
    "cohort": {"outcome": {"column": "plnm", "event": 1, "positive": "metastasis", "negative": "no metastasis"}},
    "evaluation": {
        "level": 0.95,
        "decision_curve": {"from": 0.0, "to": 1.0, "step": 0.01, "focus": [0.1, 0.5]},
        "compare": {"test": "delong", "reference": "nomogram", "adjust": "holm"},
    },
    "model": {"deep": {"epochs": 2}},
}


class Builder(Stages):
    """Draws one synthetic study and writes its records, stage by stage."""

    def __init__(self, folder: Path, *, training: int = 294, held_out: int = 127, seed: int = 7) -> None:
        self.folder = Path(folder)
        self.rng = np.random.default_rng(seed)
        self.sizes = {TRAINING: training, HELD_OUT: held_out}
        self.latent = {s: self.rng.normal(size=n) for s, n in self.sizes.items()}
        self.y = {s: (self.rng.random(len(z)) < expit(-1.25 + 1.1 * z)).astype(int) for s, z in self.latent.items()}

    def write(self) -> Path:
        (self.folder / "stages").mkdir(parents=True, exist_ok=True)
        self._json("run.json", self.run())
        self._json("protocol.resolved.json", {"digest": "3f" * 32, "protocol": PROTOCOL})
        (self.folder / "protocol.toml").write_text("[model.deep]\nepochs = 50\n")
        (self.folder / "plan.csv").write_text("task,seed\nsplit,42\n")
        pd.DataFrame({"patient": ["p001"], "set": [HELD_OUT], "nomogram": [0.4]}).to_parquet(
            self.folder / "predictions.parquet"
        )
        self._json("evaluation.json", self.evaluation())
        for name in (
            "cohort",
            "radiomics",
            "reproducibility",
            "selection",
            "deep",
            "fusion",
            "classifiers",
            "clinical",
            "splits",
        ):
            self._json(f"stages/{name}.json", getattr(self, name)())
        self._json("stages/nomogram.json", self.nomogram())
        np.savez(self.folder / "stages" / "saliency.npz", **self.saliency())
        return self.folder

    def _json(self, name: str, record: dict) -> None:
        text = json.dumps(record, indent=1, allow_nan=False)
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self) -> dict:
        n = {s: {"n": self.sizes[s], "events": int(self.y[s].sum())} for s in self.sizes}
        return {
            "validkit": "0.1.0",
            "status": "complete",
            "synthetic": True,
            "protocol": {
                "name": "plnm-paper",
                "question": "Does ultrasound radiomics fused with deep features and clinical predictors tell, before "
                "surgery, which patients with cervical cancer have pelvic lymph node metastasis?",
                "source": "doi:10.3389/fonc.2025.1681029",
                "digest": "3f" * 32,
            },
            "outcome": PROTOCOL["cohort"]["outcome"],
            "overrides": ["model.deep.epochs=2"],
            "command": "validkit run protocols/plnm-paper.toml --set model.deep.epochs=2",
            "started": "2026-11-23T14:10:00+00:00",
            "finished": "2026-11-23T14:51:12+00:00",
            "cohort": {
                "name": "phantom plnm",
                "description": "Simulated B-mode images of 421 patients; nobody was examined.",
                "digest": "a1" * 32,
                "patients": sum(self.sizes.values()),
                "events": int(sum(y.sum() for y in self.y.values())),
                "excluded": [{"patient": "PX-0042", "reason": "the outline touches the border of the image"}],
                "training": n[TRAINING],
                "held_out": n[HELD_OUT],
                "sites": {"phantom": sum(self.sizes.values())},
            },
            "device": {"name": "cpu", "threads": 2},
            "seeds": {"split": 42, "torch": 3407},
            "versions": {"python": "3.11.9", "numpy": "2.4.0", "torch": "2.15.0", "pyradiomics": "3.0.1"},
            "timings": [
                {"stage": "radiomics", "seconds": 431.27, "detail": "421 patients x 3 outlines, 2 workers"},
                {"stage": "deep", "seconds": 1203.4, "detail": "3 backbones, 2 epochs"},
                {"stage": "classifiers", "seconds": 605.0, "detail": "16 searches"},
                {"stage": "evaluate", "seconds": 9.81, "detail": ""},
            ],
            "notices": [
                {
                    "severity": "note",
                    "stage": "radiomics",
                    "text": "202 images were guarded against the 8-bit overflow of PyRadiomics 3.0.1.",
                },
                {"severity": "warning", "stage": "deep", "text": "Only 2 epochs were trained; expect weak backbones."},
            ],
            "design": {
                "kind": "holdout",
                "splits": 1,
                "final": False,
                "sentence": f"{self.sizes[HELD_OUT]} of {sum(self.sizes.values())} patients were held out once",
            },
            "fits": {"planned": 512, "made": 512, "units": 1},
            "sealed": {
                "state": "sealed",
                "entry": {"index": 0, "time": "2026-11-20T09:00:00+00:00", "hash": "c4" * 32},
                "sentence": "the protocol was sealed on 2026-11-20 at 09:00 UTC, before these outcomes were first "
                "opened",
                "cohort_matches": True,
            },
            "opening": {
                "times": 1,
                "protocols": 1,
                "others": [],
                "share": 0.0,
                "unlike": 0,
                "sentence": "held-out outcomes opened once",
            },
            "acceptance": None,
            "sentinels": [],
            "looks": [
                {
                    "stage": "deep",
                    "split": "holdout",
                    "auc": {"densenet121": 0.71},
                    "text": "The backbone was chosen by its AUC on held-out patients, as the paper did: held-out "
                    "figures of the deep, fusion and nomogram models are optimistic.",
                }
            ],
            "files": {},
        }

    def evaluation(self) -> dict:
        models = []

        def add(name: str, label: str, family: str, weight: float, *, chosen: bool = False, **kind: str) -> None:
            sets, threshold = {}, 0.27
            for which, z in self.latent.items():
                noise = 1.1 if which == TRAINING else 1.6
                score = weight * z + noise * self.rng.normal(size=len(z)) * 0.8
                risk = expit(-1.2 + 1.05 * score)
                sets[which] = scores(self.y[which], risk, threshold, self.rng, which == HELD_OUT)
                if which == TRAINING and family in ("fusion", "clinical"):
                    sets["training-cross-fitted"] = scores(self.y[which], risk**1.1, threshold, self.rng, False)
            models.append(
                {
                    "name": name,
                    "label": label,
                    "family": family,
                    "classifier": kind.get("classifier"),
                    "backbone": kind.get("backbone"),
                    "chosen": chosen,
                    "sets": sets,
                }
            )

        for family, weight in (("radiomics", 0.9), ("fusion", 1.1)):
            best = f"{family} ({CLASSIFIERS['mlp'][0]})".capitalize()
            add(family, best, family, weight, chosen=True, classifier="mlp")
            for key, (label, factor) in CLASSIFIERS.items():
                name = f"{family}/{key}"
                add(name, label, family, weight * factor, chosen=key == "mlp", classifier=key)
        for key, (label, weight) in BACKBONES.items():
            add(f"deep/{key}", label, "deep", weight, chosen=key == "densenet121", backbone=key)
        add("clinical", "Clinical", "clinical", 0.7, chosen=True)
        add("nomogram", "Nomogram", "nomogram", 1.35, chosen=True)

        reference, comparisons, grid = {}, {}, np.linspace(0, 1, 101)
        for which, y in self.y.items():
            n, events = len(y), int(y.sum())
            everyone = [net_benefit(y, np.ones(n), t) for t in grid]
            names = ("threshold probability", "net benefit")
            reference[which] = {
                "treat_all": curve(grid, everyone, None, None, names, "treat all", n, events),
                "treat_none": curve(grid, np.zeros(101), None, None, names, "treat none", n, events),
            }
            others = ("radiomics", "deep/densenet121", "fusion", "clinical")
            comparisons[which] = [
                {
                    "a": "nomogram",
                    "b": b,
                    "difference": estimate(0.09 - 0.02 * i, 0.03, "DeLong, paired", n, events, unit=False),
                    "test": judged(2.9 - i, (0.0002, 0.012, 0.21, 0.77)[i], None, "DeLong, paired", n, events),
                    "p_adjusted": (0.0008, 0.036, 0.42, 0.77)[i],
                }
                for i, b in enumerate(others)
            ]
        return {
            "level": 0.95,
            "primary": HELD_OUT,
            "design": {"kind": "holdout", "splits": 1, "final": False, "combine": "average", "rubin": False},
            "acceptance": None,
            "protocol_digest": "3f" * 32,
            "predictions_digest": "b7" * 32,
            "models": models,
            "reference_strategies": reference,
            "comparisons": comparisons,
        }


def build_run(folder: Path, **options: Any) -> Path:
    """A complete run folder of the paper's shape: 421 patients, 26 models."""
    return Builder(folder, **options).write()


if __name__ == "__main__":
    print(build_run(Path(sys.argv[1])))
