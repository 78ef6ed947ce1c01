"""Each patient's image looked at once, in a worker: small pictures and hashes of image and lesion, and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from validkit.audit.marks import Marks, marks
from validkit.audit.registration import SIDE
from validkit.engine import Reporter, map_tasks
from validkit.errors import MissingExtraError

if TYPE_CHECKING:
    from validkit.cohort import Cohort

CROP_MARGIN = 0.15
"""margin around the lesion's box, share of its larger side"""


@dataclass(frozen=True, eq=False)
class Look:
    """What the data sentinels keep of one image.

    small, small_crop : (SIDE, SIDE) uint8, the whole image and the lesion with a margin
    hashes : uint64, the perceptual hash of image, mirrored image, crop, mirrored crop
    marks : what lies on the image outside the lesion's crop
    """

    small: NDArray[np.uint8]
    small_crop: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    marks: Marks


def eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey values as 0..255: unchanged where they fit, otherwise from smallest to largest."""
    low, high = float(pixels.min()), float(pixels.max())
    if low >= 0 and high <= 255:
        return np.rint(pixels).astype(np.uint8)
    return np.rint((pixels - low) * (255.0 / (high - low))).astype(np.uint8)


def lesion_box(mask: NDArray[np.bool_], margin: float = CROP_MARGIN) -> tuple[slice, slice]:
    """Rows and columns of the outline's box with a margin, cut at the image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    room = round(margin * max(np.ptp(rows) + 1, np.ptp(columns) + 1))
    return (
        slice(max(rows[0] - room, 0), min(rows[-1] + room + 1, mask.shape[0])),
        slice(max(columns[0] - room, 0), min(columns[-1] + room + 1, mask.shape[1])),
    )


def look(pixels: NDArray[Any], mask: NDArray[np.bool_]) -> Look:
    """One image and its outline looked at."""
    try:
        from imagehash import phash
    except ImportError:
        raise MissingExtraError("imagehash", "imaging", "the search for near-duplicate images") from None
    from PIL import Image

    grey = eight_bit(pixels)
    box = lesion_box(mask)
    hidden = np.zeros(mask.shape, dtype=bool)
    hidden[box] = True
    pictures = [Image.fromarray(part) for part in (grey, np.ascontiguousarray(grey[box]))]
    mirror = Image.Transpose.FLIP_LEFT_RIGHT
    shown = [view for picture in pictures for view in (picture, picture.transpose(mirror))]
    bits = [np.packbits(phash(view).hash.ravel()).view(">u8")[0] for view in shown]
    small, crop = (np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BOX)) for p in pictures)
    return Look(small, crop, np.array(bits, dtype=np.uint64), marks(grey, hidden))


@dataclass(frozen=True, eq=False)
class _Looker:
    """Reads and looks at one patient's image in a worker."""

    cohort: Cohort

    def __call__(self, patient: str) -> Look:
        """The look of one patient."""
        lesion = self.cohort.lesion(patient)
        return look(lesion.pixels, lesion.mask)


def look_at(cohort: Cohort, *, engine: str = "sequential", reporter: Reporter | None = None) -> dict[str, Look]:
    """Every patient's image looked at once: patient -> Look. A file that vanished or changed is refused by name."""
    patients: Sequence[str] = cohort.patients
    seen = map_tasks(_Looker(cohort), patients, engine=engine, label="Looking at images", reporter=reporter)
    return dict(zip(patients, seen, strict=True))
