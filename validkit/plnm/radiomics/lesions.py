"""What is measured: an image, an outline, and how to read them; optionally the outline randomised."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from validkit.errors import InputError, MissingExtraError, StageError, ValidkitError
from validkit.plnm.contours import perturb_outline
from validkit.plnm.radiomics.extraction import check_lesion, check_spacing

Decoded = tuple[NDArray[np.float64], NDArray[np.bool_], tuple[float, float] | None]
Checked = tuple[NDArray[np.float64], NDArray[np.bool_], tuple[float, float]]
Load = Callable[..., Decoded]


@dataclass(frozen=True)
class Perturbation:
    """One randomised copy of an outline.

    copy : 1, 2, ...; each its own randomisation
    displacement : standard deviation of the contour's displacement, as a share of the lesion's equivalent radius
    seed : of the study; the copy's own randomness derives from it, the patient and `copy`
    """

    copy: int
    displacement: float
    seed: int

    def rng(self, patient: str) -> np.random.Generator:
        """The copy's own generator: the same for the same seed, patient and copy, whatever else is drawn."""
        words = np.frombuffer(hashlib.sha256(patient.encode()).digest(), dtype="<u4")
        return np.random.default_rng([self.seed, self.copy, *words.tolist()])


@dataclass(frozen=True)
class Lesion:
    """One outline of one patient: where it lies and how to read it.

    role : whose outline it is, such as "reader_a" or "perturbed_1"
    alignment, label, colour, pieces, border : as `validkit.cohort.read_lesion` takes them
    """

    patient: str
    role: str
    image: Path
    outline: Path
    perturbation: Perturbation | None = None
    alignment: str | None = None
    label: int | None = None
    colour: str = "refuse"
    pieces: str = "refuse"
    border: str = "refuse"


def perturbed(lesions: Iterable[Lesion], *, copies: int, displacement: float, seed: int) -> tuple[Lesion, ...]:
    """Each lesion's outline randomised `copies` times, under the roles perturbed_1, perturbed_2, ..."""
    return tuple(
        replace(lesion, role=f"perturbed_{copy}", perturbation=Perturbation(copy, displacement, seed))
        for lesion in lesions
        for copy in range(1, copies + 1)
    )


def read_files(image: Path, outline: Path, **options: Any) -> Decoded:
    """`validkit.cohort.read_lesion`, imported when it is needed."""
    from validkit.cohort.lesions import read_lesion

    return read_lesion(image, outline, **options)


@contextmanager
def located(lesion: Lesion) -> Iterator[None]:
    """Errors raised inside say whose lesion they are about."""
    try:
        yield
    except MissingExtraError:
        raise
    except ValidkitError as error:
        kind = InputError if isinstance(error, InputError) else StageError
        raise kind(f"patient {lesion.patient!r}, outline {lesion.role!r}: {error}") from error


def decode(lesion: Lesion, load: Load = read_files) -> Checked:
    """Pixels, outline and (row, column) spacing of a lesion, checked; the outline randomised where that is asked for.

    Errors name the patient and the outline.
    """
    with located(lesion):
        pixels, mask, spacing = load(
            lesion.image,
            lesion.outline,
            alignment=lesion.alignment,
            label=lesion.label,
            colour=lesion.colour,
            pieces=lesion.pieces,
            border=lesion.border,
        )
        if (how := lesion.perturbation) is not None:
            mask = perturb_outline(mask, displacement=how.displacement, rng=how.rng(lesion.patient))
        pixels, mask = check_lesion(pixels, mask)
        return pixels, mask, check_spacing(spacing)
