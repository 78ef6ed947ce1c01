"""Patients, images, outlines and outcome: reading a cohort folder and checking all of it.

Importing this package loads neither SimpleITK nor pydicom.
"""

from validkit.cohort.cohort import Cohort, Reading
from validkit.cohort.faults import CODES, CohortError, Fault, ImageError
from validkit.cohort.images import Image, read_image
from validkit.cohort.lesions import Lesion, align, read_lesion
from validkit.cohort.outlines import Outline, inspect_mask, read_outline
from validkit.cohort.overlay import overlay
from validkit.cohort.read import read_cohort, reading_of

__all__ = [
    "CODES",
    "Cohort",
    "CohortError",
    "Fault",
    "Image",
    "ImageError",
    "Lesion",
    "Outline",
    "Reading",
    "align",
    "inspect_mask",
    "overlay",
    "read_cohort",
    "read_image",
    "read_lesion",
    "read_outline",
    "reading_of",
]
