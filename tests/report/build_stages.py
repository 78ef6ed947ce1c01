"""The stage records of a synthetic study, with the shapes that the model code writes."""

from __future__ import annotations

import math

import numpy as np
from build_scores import BACKBONES, CLASSIFIERS, HELD_OUT, TRAINING, estimate, plain

FEATURES = (
    "glcm_ClusterShade",
    "glrlm_ShortRunEmphasis",
    "firstorder_Skewness",
    "gldm_DependenceNonUniformityNormalized",
    "glszm_SmallAreaLowGrayLevelEmphasis",
    "ngtdm_Contrast",
    "glcm_Imc2",
    "shape_Elongation",
)


class Stages:
    """Stage records; `rng`, `sizes` and outcomes `y` come from the builder."""

    rng: np.random.Generator
    sizes: dict[str, int]
    y: dict[str, np.ndarray]

    def cohort(self) -> dict:
        total, events = sum(self.sizes.values()), int(sum(y.sum() for y in self.y.values()))
        rows = [
            ("Age, years", "mean (SD)", "48.2 (10.1)", "49.0 (9.8)", "0.512", "t test"),
            ("Maximum tumour diameter, mm", "median [IQR]", "28.0 [18.0, 37.0]", "38.0 [30.0, 47.0]", "< 0.001", "MW"),
            ("Red cells, 10^12/L", "mean (SD)", "4.21 (0.55)", "4.02 (0.61)", "0.004", "t test"),
            ("Histology", "n (%)", "", "", "0.331", "chi-square"),
            ("  squamous", "", "176 (80.7)", "66 (86.8)", "", ""),
            ("  other", "", "42 (19.3)", "10 (13.2)", "", ""),
        ]
        return {
            "flow": [
                {"step": "in cohort.csv", "n": total + 1, "events": None, "reason": ""},
                {"step": "excluded", "n": 1, "events": None, "reason": "the outline touches the border of the image"},
                {"step": "analysed", "n": total, "events": events, "reason": ""},
                {"step": "training", "n": self.sizes[TRAINING], "events": int(self.y[TRAINING].sum()), "reason": ""},
                {"step": "held out", "n": self.sizes[HELD_OUT], "events": int(self.y[HELD_OUT].sum()), "reason": ""},
            ],
            "table1": {
                "title": "Characteristics of training patients",
                "columns": ["characteristic", "summary", "no metastasis", "metastasis", "p", "test"],
                "rows": rows,
                "note": "Tests follow Shapiro-Wilk; no adjustment for multiplicity.",
            },
        }

    def splits(self) -> dict:
        one = {"split": "holdout", "repeat": 0, "fold": 0, "site": "", "training": self.sizes[TRAINING]}
        one |= {"distinct": self.sizes[TRAINING], "held_out": self.sizes[HELD_OUT], "fits": 512, "seconds": 2240.1}
        one |= {"chosen": {"deep": "densenet121", "radiomics": "mlp", "fusion": "mlp"}, "features": list(FEATURES)}
        return {
            "design": {"kind": "holdout"},
            "main": "holdout",
            "splits": [{**one, "parameters": "9d" * 32, "notes": []}],
        }

    def radiomics(self) -> dict:
        classes = {"shape": 14, "firstorder": 306, "glcm": 374, "glrlm": 272, "glszm": 272, "gldm": 238, "ngtdm": 85}
        types = ["original", "square", "squareroot", "logarithm", "exponential", "gradient", "log-sigma"]
        types += [f"wavelet-{b}" for b in ("LLL", "LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH")]
        types += ["lbp-3D-m1", "lbp-3D-k"]
        return {
            "preset": "paper1561",
            "n_features": 1561,
            "n_patients": 421,
            "by_class": classes,
            "by_image_type": {t: 91 + 14 * (t == "original") for t in types},
            "guarded": {"n": 3, "reason": "8-bit overflow of PyRadiomics 3.0.1", "patients": ["P001", "P007", "P019"]},
            "screen": {
                "constant": ["original_shape_Flatness", "original_shape_LeastAxisLength"],
                "round_off": [f"wavelet-LLH_firstorder_{k}" for k in ("Mean", "Energy", "Skewness")],
                "image_independent": ["original_shape_Sphericity"],
            },
            "undefined": [
                {"patient": "P003", "role": "reader_b", "features": ["a", "b"], "reason": "outline of 3 pixels"}
            ],
            "extracted": 1263,
            "cached": 0,
            "versions": {"pyradiomics": "3.0.1", "simpleitk": "2.5.2"},
        }

    def reproducibility(self) -> dict:
        count = 1561
        names = [f"wavelet-HLL_glcm_Feature{i}" for i in range(count)]
        intra = np.clip(1 - np.abs(self.rng.normal(0, 0.22, count)), -0.2, 1)
        inter = np.clip(intra - np.abs(self.rng.normal(0, 0.12, count)), -0.4, 1)
        intra[:9] = np.nan
        listed = lambda v: [plain(x) for x in v]  # noqa: E731
        kept = int(((intra >= 0.75) & (inter >= 0.75)).sum())
        return {
            "form": "ICC(2,1)",
            "minimum": 0.75,
            "keep": "both",
            "perturbed": False,
            "groups": {
                "intra": {"roles": ["reader_a", "reader_a_again"], "n": 294, "kept": int((intra >= 0.75).sum())},
                "inter": {"roles": ["reader_a", "reader_b"], "n": 35, "kept": int((inter >= 0.75).sum())},
            },
            "total": count,
            "kept": kept,
            "icc": {
                "feature": names,
                "intra": listed(intra),
                "intra_low": listed(intra - 0.1),
                "intra_high": listed(intra + 0.05),
                "inter": listed(inter),
                "inter_low": listed(inter - 0.1),
                "inter_high": listed(inter + 0.05),
            },
        }

    def selection(self) -> dict:
        lambdas = np.geomspace(0.25, 0.0025, 100)
        names = [f"{t}_{f}" for t in ("wavelet-HLL", "log-sigma-3-0-mm-3D", "original") for f in FEATURES]
        entry = np.sort(self.rng.uniform(0.004, 0.2, len(names)))[::-1]
        sign = self.rng.choice([-1, 1], len(names))
        scale = self.rng.uniform(0.2, 0.9, len(names))
        paths = [
            (sg * sc * np.clip(np.log(e / lambdas), 0, None) * 0.05).tolist()
            for sg, sc, e in zip(sign, scale, entry, strict=True)
        ]
        mean = 0.165 + 0.012 * (np.log10(lambdas / 0.045)) ** 2
        at = int(np.argmin(np.abs(lambdas - 0.045)))
        chosen = [(n, p[at]) for n, p in zip(names, paths, strict=True) if abs(p[at]) > 0]
        return {
            "steps": [
                {"method": "mann-whitney", "before": 871, "after": 214, "note": "p < 0.05, two-sided"},
                {"method": "spearman", "before": 214, "after": len(names), "note": "|rho| > 0.9 removed"},
                {"method": "lasso", "before": len(names), "after": len(chosen), "note": "10 folds, minimum"},
            ],
            "lasso": {
                "loss": "squared",
                "lambdas": lambdas.tolist(),
                "features": names,
                "coefficients": paths,
                "cv_mean": mean.tolist(),
                "cv_se": (0.008 + 0 * mean).tolist(),
                "chosen": float(lambdas[at]),
                "rule": "min",
            },
            "selected": [{"feature": n, "coefficient": c} for n, c in chosen],
        }

    def deep(self) -> dict:
        rows = []
        for i, (name, (_, weight)) in enumerate(BACKBONES.items()):
            epochs = [
                {
                    "epoch": k + 1,
                    "train_loss": 0.7 * math.exp(-k / 9) + 0.12 + 0.01 * float(self.rng.random()),
                    "validation_loss": 0.62 - 0.1 * math.exp(-(((k - 9) / 7) ** 2)) + 0.02 * float(self.rng.random()),
                    "validation_auc": 0.55 + 0.2 * weight * (1 - math.exp(-k / 6)),
                }
                for k in range(24 - 4 * i)
            ]
            rows.append(
                {
                    "name": name,
                    "weights": "imagenet",
                    "pretrained": True,
                    "train": "all",
                    "epochs": epochs,
                    "best_epoch": 12 - i,
                    "embedding_dim": 16384,
                    "components": 64,
                    "explained": (0.15 * 0.8 ** np.arange(64)).tolist(),
                    "inner_auc": 0.55 + 0.2 * weight,
                    "inner_n": 59,
                    "inner_events": 15,
                    "note": "",
                }
            )
        panels = [
            {"patient": f"P{k:03d}", "outcome": k % 2, "probability": 0.13 + 0.2 * k, "backbone": "densenet121"}
            for k in range(4)
        ]
        return {
            "backbones": rows,
            "chosen": "densenet121",
            "choose": "held-out auc",
            "looked": True,
            "saliency": panels,
        }

    def saliency(self) -> dict[str, np.ndarray]:
        yy, xx = np.mgrid[-1:1:128j, -1:1:128j]
        images, maps, outlines = [], [], []
        for k in range(4):
            radius = np.hypot(xx / (0.5 + 0.05 * k), yy / 0.4)
            speckle = self.rng.rayleigh(1.0, (128, 128))
            images.append(np.clip(speckle * np.where(radius < 1, 30, 80), 0, 255).astype(np.uint8))
            heat = np.exp(-(((xx - 0.2 * k + 0.3) / 0.35) ** 2 + (yy / 0.4) ** 2)).astype(np.float32)
            maps.append(heat)
            outlines.append(radius < 1)
        return {"images": np.array(images), "maps": np.array(maps), "outlines": np.array(outlines)}

    def fusion(self) -> dict:
        chosen = [(f"wavelet-HLL_{f}", "radiomics") for f in FEATURES[:7]] + [(f"deep_{i}", "deep") for i in range(9)]
        weight = np.sort(self.rng.uniform(0.05, 0.9, len(chosen)))[::-1]
        order = self.rng.permutation(len(chosen))
        return {
            "before": 73,
            "selected": [
                {"feature": chosen[j][0], "branch": chosen[j][1], "importance": float(w)}
                for j, w in zip(order, weight, strict=True)
            ],
            "ranking": [{"feature": f, "branch": b, "rank": 1} for f, b in chosen],
            "note": "",
        }

    def classifiers(self) -> dict:
        def rows(base: float) -> list[dict]:
            return [
                {
                    "name": key,
                    "label": label,
                    "best_score": base * factor,
                    "best_sd": 0.06,
                    "score": "balanced-accuracy",
                    "params": {"C": 1.0, "gamma": "scale"} if key == "svm" else {"depth": 3},
                    "n_candidates": 12,
                }
                for key, (label, factor) in CLASSIFIERS.items()
            ]

        return {
            "radiomics": rows(0.66),
            "fusion": rows(0.71),
            "chosen": {"radiomics": "mlp", "fusion": "mlp"},
            "choose": "inner-validation",
        }

    def clinical(self) -> dict:
        return {
            "table2": {
                "title": "Clinical predictors: logistic regression on training patients",
                "columns": ["predictor", "univariable OR [95 % CI]", "p", "multivariable OR [95 % CI]", "p (multi)"],
                "rows": [
                    [
                        "Maximum tumour diameter, per mm",
                        "1.058 [1.040, 1.077]",
                        "< 0.001",
                        "1.055 [1.036, 1.075]",
                        "0.000",
                    ],
                    ["Red cells, per 10^12/L", "0.612 [0.441, 0.850]", "0.003", "0.646 [0.459, 0.910]", "0.012"],
                    ["Age, per year", "1.010 [0.984, 1.037]", "0.442", None, None],
                ],
                "note": "Univariable p < 0.05 enters the multivariable model.",
            },
            "selected": ["max_diameter", "rbc"],
            "note": "",
        }

    def nomogram(self) -> dict:
        n, events = self.sizes[TRAINING], int(self.y[TRAINING].sum())

        def term(name: str, label: str, unit: str, kind: str, beta: float, ticks: list, per: float) -> dict:
            low = min(beta * v for v, _ in ticks)
            return {
                "name": name,
                "label": label,
                "unit": unit,
                "kind": kind,
                "coefficient": estimate(beta, abs(beta) / 3, "Wald", n, events, unit=False),
                "odds_ratio": {
                    **estimate(math.exp(beta), 0.1, "Wald", n, events, unit=False),
                    "low": math.exp(beta - abs(beta) / 1.5),
                    "high": math.exp(beta + abs(beta) / 1.5),
                },
                "range": [ticks[0][0], ticks[-1][0]],
                "training_range": [ticks[1][0], ticks[-2][0]],
                "levels": [],
                "reference": None,
                "ticks": [{"value": v, "label": text, "points": (beta * v - low) * per} for v, text in ticks],
                "points_per_unit": beta * per,
            }

        per = 100 / 5.2
        number = lambda values, form="{:g}": [(float(v), form.format(v)) for v in values]  # noqa: E731
        terms = [
            term("fusion", "Fusion score", "", "continuous", 5.2, number(np.linspace(0, 1, 11), "{:.1f}"), per),
            term("max_diameter", "Maximum tumour diameter", "mm", "continuous", 0.0535, number(range(0, 81, 5)), per),
            term("rbc", "Red cells", "10^12/L", "continuous", -0.437, number(np.arange(2, 6.6, 0.5)), per),
            term(
                "histology",
                "Histology",
                "",
                "categorical",
                0.31,
                [(0, "squamous"), (0.15, "adenosquamous"), (1, "other")],
                per,
            ),
        ]
        several = estimate(math.nan, math.nan, "by level", n, events, "one coefficient for each level", unit=False)
        pair = {key: terms[-1][key] for key in ("coefficient", "odds_ratio")}
        terms[-1] |= {
            "coefficient": several,
            "odds_ratio": several,
            "points_per_unit": None,
            "reference": "squamous",
            "levels": [{"level": level, **pair} for level in ("adenosquamous", "other")],
        }
        columns = ["(intercept)", "fusion", "max_diameter", "rbc", "histology=adenosquamous", "histology=other"]
        spread = np.random.default_rng(9).normal(size=(6, 6)) * np.array([4, 4, 0.1, 0.5, 1, 1])[:, None]
        top = sum(max(t["points"] for t in term["ticks"]) for term in terms)
        base = -4.1
        probability = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
        return {
            "score_scale": "probability",
            "fusion_score": "cross-fitted",
            "terms": terms,
            "total": {"range": [0.0, top], "ticks": list(range(0, int(top), 20))},
            "probability": [{"probability": p, "points": (math.log(p / (1 - p)) - base) * per} for p in probability],
            "intercept": base,
            "points_per_log_odds": per,
            "level": 0.95,
            "covariance": {"terms": columns, "matrix": (spread @ spread.T / 400).tolist()},
            "platt": {"slope": 0.94, "intercept": -0.03, "on": "training, cross-fitted"},
            "note": "",
        }
