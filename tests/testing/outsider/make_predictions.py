"""Writes simulated predictions: python make_predictions.py FILE [good | miscalibrated | reversed | unnamed]."""

import csv
import sys

import numpy as np

STAYS, SEED = 1500, 20


def simulated(kind):
    """Outcomes that follow a logistic model, and risks: its own, too extreme, upside down."""
    rng = np.random.default_rng(SEED)
    lp = rng.normal(-1.2, 1.3, STAYS)
    sepsis = (rng.random(STAYS) < 1 / (1 + np.exp(-lp))).astype(int)
    told = {"good": lp, "miscalibrated": 2.5 * lp + 1.0, "reversed": -lp, "unnamed": lp}[kind]
    return sepsis, 1 / (1 + np.exp(-told))


def main(file, kind="good"):
    """One row a stay."""
    sepsis, risk = simulated(kind)
    with open(file, "w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["stay", "sepsis", "column 3" if kind == "unnamed" else "risk"])
        table.writerows((k, y, f"{p:.6f}") for k, (y, p) in enumerate(zip(sepsis, risk, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
