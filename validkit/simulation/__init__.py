"""Data whose truth is known exactly: risks, pairs of models, lesions in patients, sites, readers.

Every simulator is declared by what is true of it (AUC, prevalence, calibration, correlation, heterogeneity, ICC), draws
from a generator that is passed in, and tells its truth by quadrature or in closed form, never by simulation.
"""

from __future__ import annotations

from validkit.simulation.clusters import ClusteredRisks
from validkit.simulation.families import BetaFamily, BinormalFamily
from validkit.simulation.incomplete import IncompletePatients
from validkit.simulation.pairs import PairedRisks
from validkit.simulation.readers import Graders, Raters, Readers
from validkit.simulation.regressions import LogisticPopulation
from validkit.simulation.risks import Risks
from validkit.simulation.sites import Sites

__all__ = [
    "BetaFamily",
    "BinormalFamily",
    "ClusteredRisks",
    "Graders",
    "IncompletePatients",
    "LogisticPopulation",
    "PairedRisks",
    "Raters",
    "Readers",
    "Risks",
    "Sites",
]
