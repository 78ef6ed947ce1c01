"""Upright edges of areas of one grey value, such as a filled square, a disc, a box that hides something, or large text.

Beside an edge lies a patch that is flat against the step: the step beyond the edge is RATIO times the range within the
patch. Tissue is not: an ultrasound beam is too wide for a step from one column to the next but one, whatever the
zoom, and speckle ripples beside it. Where the grey scale ends, tissue is flat too, so more length is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Values = NDArray[np.int16]

DEEP, LONG = 2, 5
"""columns and rows of the flat patch"""
DARK, LONG_DARK = 6, 8
BRIGHT, LONG_BRIGHT = 250, 6
"""rows of the flat patch where all of it is at most DARK or at least BRIGHT"""
STEP, STEP_BRIGHT, RATIO, AWAY = 15, 60, 3.0, 2
"""least step in grey levels of 255, from a bright patch, and in ranges of the patch; how many columns it may take"""


def flat_edges(grey: NDArray[np.uint8]) -> Mask:
    """(rows, columns) True on the outermost columns of a flat patch that ends in a step.

    The dark surround of the scanned field, dark and joined to the image's edge, has none: its edge moves with zoom.
    """
    values = grey.astype(np.int16)
    found = _edges(values) | _edges(values[:, ::-1])[:, ::-1]
    return found & ~surround(grey)


def surround(grey: NDArray[np.uint8]) -> Mask:
    """(rows, columns) True where the image is dark up to its edge."""
    areas, _ = ndimage.label(grey <= DARK)
    outermost = np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]])
    return np.asarray(np.isin(areas, np.setdiff1d(outermost, 0)))


def _edges(values: Values) -> Mask:
    """Those whose step lies to the left of the patch."""
    out = np.zeros(values.shape, dtype=bool)
    wide = values.shape[1] - AWAY - DEEP + 1
    if wide < 1 or values.shape[0] < max(LONG_DARK, LONG_BRIGHT):
        return out
    beyond = values[:, :wide]
    patch = [values[:, AWAY + k : AWAY + k + wide] for k in range(DEEP)]
    high, low = np.maximum.reduce(patch), np.minimum.reduce(patch)
    for length, least, end in ((LONG, STEP, None), (LONG_DARK, STEP, "dark"), (LONG_BRIGHT, STEP_BRIGHT, "bright")):
        top, bottom = _along(high, length, np.maximum), _along(low, length, np.minimum)
        step = np.maximum(bottom - _along(beyond, length, np.maximum), _along(beyond, length, np.minimum) - top)
        at_end = {"dark": top <= DARK, "bright": bottom >= BRIGHT, None: (top > DARK) & (bottom < BRIGHT)}[end]
        whole = at_end & (step >= least) & (step >= RATIO * (top - bottom))
        for k in range(length):
            out[k : k + whole.shape[0], AWAY : AWAY + wide] |= whole
    return out


def _along(values: Values, length: int, best: Callable[[Any, Any], Any]) -> Values:
    """The largest or smallest of `length` rows from each row on."""
    reach = 1
    while reach < length:
        more = min(reach, length - reach)
        values = best(values[:-more], values[more:])
        reach += more
    return values
