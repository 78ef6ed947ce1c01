"""The methods section of a paper as far as the protocol and the run tell it; what only authors know is marked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from validkit.report.methods.design import design_text
from validkit.report.methods.deviations import deviations_text
from validkit.report.methods.gaps import missing_text
from validkit.report.methods.measures import measures_text
from validkit.report.methods.model import model_text
from validkit.report.methods.people import outcome_text, patients_text
from validkit.report.methods.references import cited
from validkit.report.methods.software import software_text
from validkit.report.records import Run

__all__ = ["Methods", "Paragraph", "methods"]


@dataclass(frozen=True)
class Paragraph:
    """A heading and its text, in which `[DeLong1988]` cites and `[authors: ...]` is a gap the authors fill."""

    heading: str
    text: str


@dataclass(frozen=True)
class Methods:
    """The paragraphs, in order."""

    paragraphs: tuple[Paragraph, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all references cited, each once, in order."""
        return cited(*(paragraph.text for paragraph in self.paragraphs))


PARTS: tuple[tuple[str, Callable[[Run], str]], ...] = (
    ("Patients", patients_text),
    ("Predictors and outcome", outcome_text),
    ("Missing data", missing_text),
    ("Model", model_text),
    ("Validation design", design_text),
    ("Performance measures", measures_text),
    ("Software and reproducibility", software_text),
    ("Deviations", deviations_text),
)


def methods(run: Run) -> Methods:
    """Every paragraph that the records tell something for."""
    texts = [(heading, tell(run)) for heading, tell in PARTS]
    return Methods(tuple(Paragraph(heading, words) for heading, words in texts if words))
