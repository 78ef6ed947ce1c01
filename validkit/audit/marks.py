"""Marks that a machine or a person put on an image, outside the lesion, as numbers that tissue leaves at zero.

Whatever tissue shows outside the lesion (shadow, zoom, speckle, layers) may rightly go with the outcome, so each number
is made such that tissue gives zero, or zero on average, at any depth and zoom, and up to the gain that saturates it:

strokes : upright lines of one grey value with a steep fall on both sides. An ultrasound beam is too wide for them;
    text, calipers and side marks have them.
border : outermost lines of one grey value that end in one step, and a step between outermost columns or the lowest
    rows and the next. Rows at the top are not compared, since skin lies there.
edges : upright edges of areas of one grey value (`flat_edges`), such as filled squares, discs and boxes.
corners : the picture near each corner, at a fixed distance in pixels, less its running mean along the row. Tissue
    layers lie along the row and speckle has either sign, so its mean over patients is zero at every place.
quarters, middles : the whole picture more coarsely, each quarter at a fixed distance from its corner, and its middle at
    a fixed distance from the top and from the bottom, less its running means along both row and column, since deeper
    down shadows stand upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from validkit.audit.flat_edges import flat_edges

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

GRID = 8
"""the image is divided into GRID x GRID places"""
FALL, REACH = 45, 3
"""a stroke is brighter by FALL grey levels of 255 than something within REACH pixels on its left and on its right"""
RUNS: tuple[tuple[int, int], ...] = ((3, 2), (4, 30))
"""(length of an upright run, largest difference within it): crisp strokes, and longer ones blurred by compression"""
CORNER, POOL = 64, 2
"""pixels of a corner's square, and how many are averaged each way"""
SMOOTH = 15
"""pixels of the running mean along the row"""
QUARTER, COARSE = 256, 4
"""pixels of a quarter's square, and how many are averaged each way"""
MIDDLE = (64, 128)
"""rows and columns of a middle"""
SIDES = ("top", "bottom", "left", "right")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
WIDEST = 32
EQUAL, ALIKE, ENDS = 2.0, 0.95, 0.6
"""a line is of one value where ALIKE of it lies within EQUAL of its median, and the border ends where ENDS does not"""
STEPS = (1, 2, 4)
"""lines that are compared with as many next to them"""
CLEAR = 4.0
"""size from which a step counts, in units of such differences further inside"""


@dataclass(frozen=True, eq=False)
class Marks:
    """strokes : (GRID, GRID) stroke pixels by place; pieces : number of strokes
    border : for each side the width and the grey value + 1 of a border (0, 0 where none), then the steps
    edges : (GRID, GRID) pixels on flat edges by place
    corners : (4, CORNER / POOL, CORNER / POOL), in units of the image's own spread
    quarters, middles : (4, QUARTER / COARSE, QUARTER / COARSE) and (2, *MIDDLE / COARSE), likewise
    """

    strokes: Floats
    pieces: int
    border: Floats
    edges: Floats
    corners: Floats
    quarters: Floats
    middles: Floats


BORDER_NAMES = tuple(f"border {what}, {side}" for side in SIDES for what in ("width", "grey value")) + tuple(
    f"step after {count} outermost lines, {side}" for side in SIDES[1:] for count in STEPS
)


def marks(grey: NDArray[np.uint8], hidden: Mask) -> Marks:
    """The marks of one image.

    hidden : (rows, columns) True in the lesion's crop, which is not looked at
    """
    lines = strokes(grey) & ~hidden
    pieces = int(ndimage.label(lines, structure=np.ones((3, 3)))[1])
    return Marks(
        strokes=_by_place(lines),
        pieces=pieces,
        border=border(grey, hidden),
        edges=_by_place(flat_edges(grey) & ~hidden),
        corners=_corners(grey, hidden),
        **_places(grey, hidden),
    )


def strokes(grey: NDArray[np.uint8]) -> Mask:
    """(rows, columns) True on upright strokes."""
    values = grey.astype(np.int16)
    thin = np.minimum(_fall(values, 1), _fall(values, -1)) >= FALL
    out = np.zeros(grey.shape, dtype=bool)
    for length, most in RUNS:
        if grey.shape[0] < length:
            continue
        link = thin[1:] & thin[:-1] & (np.abs(values[1:] - values[:-1]) <= most)
        whole = np.logical_and.reduce([link[k : link.shape[0] - length + 2 + k] for k in range(length - 1)])
        for k in range(length):
            out[k : k + whole.shape[0]] |= whole
    return out


def _fall(values: NDArray[np.int16], direction: int) -> NDArray[np.int16]:
    """How far the grey value falls within REACH pixels to one side; 0 at the image's edge."""
    line = values[:, ::direction]
    out = np.zeros_like(line)
    for k in range(1, REACH + 1):
        out[:, k:] = np.maximum(out[:, k:], line[:, k:] - line[:, :-k])
    return out[:, ::direction]


def _by_place(lines: Mask) -> Floats:
    rows, columns = np.nonzero(lines)
    out = np.zeros((GRID, GRID), dtype=np.float32)
    np.add.at(out, (rows * GRID // lines.shape[0], columns * GRID // lines.shape[1]), 1.0)
    return out


def border(grey: NDArray[np.uint8], hidden: Mask) -> Floats:
    """The numbers of BORDER_NAMES."""
    shown = np.where(hidden, np.nan, grey.astype(np.float64))
    sides = {"top": shown, "bottom": shown[::-1], "left": shown.T, "right": shown.T[::-1]}
    frames = [number for name in SIDES for number in _frame(sides[name])]
    return np.array(frames + [number for name in SIDES[1:] for number in _steps(sides[name])], dtype=np.float32)


def _frame(lines: NDArray[np.float64]) -> tuple[float, float]:
    """(width, grey value + 1) of a border of one grey value along the first lines, or (0, 0)."""
    width, value = 0, 0.0
    for line in lines[: min(WIDEST + 1, len(lines) // 4)]:
        seen = line[~np.isnan(line)]
        if seen.size < line.size / 2:
            break
        middle = float(np.median(seen))
        share = float((np.abs(seen - middle) <= EQUAL).mean())
        if share < ALIKE or (width and abs(middle - value) > EQUAL):
            return (float(width), value + 1) if width and (share < ENDS or share >= ALIKE) else (0.0, 0.0)
        width, value = width + 1, middle if not width else value
    return 0.0, 0.0


def _steps(lines: NDArray[np.float64]) -> list[float]:
    """For each count of STEPS, how far the first lines lie above the next, over such differences further inside.

    Only what exceeds CLEAR counts: smaller steps belong to the edge of the scanned field, and go a little with zoom.
    """
    inside = lines[: 6 * max(STEPS)]
    known = ~np.isnan(inside).any(axis=0)
    if known.sum() < inside.shape[1] / 3:
        return [0.0] * len(STEPS)
    level = inside[:, known].mean(axis=1)
    out = []
    for count in STEPS:
        means = np.convolve(level, np.full(count, 1 / count), mode="valid")
        gaps = means[:-count] - means[count:]
        spread = float(np.sqrt(np.mean(gaps[2 * count :] ** 2)))
        step = gaps[0] / (spread + 0.25)
        out.append(float(np.sign(step) * np.clip(abs(step) - CLEAR, 0, 20)))
    return out


def _corners(grey: NDArray[np.uint8], hidden: Mask) -> Floats:
    values = grey.astype(np.float32)
    high = _own_units(values - ndimage.uniform_filter1d(values, SMOOTH, axis=1, mode="nearest"))
    high[hidden] = 0.0
    return np.stack([_part(high[down, right], (CORNER, CORNER), POOL) for down, right in _FROM_CORNERS])


def _places(grey: NDArray[np.uint8], hidden: Mask) -> dict[str, Floats]:
    """The quarters and the middles."""
    rows, columns = grey.shape
    high = grey.astype(np.float32)
    for axis in (0, 1):
        high -= ndimage.uniform_filter1d(high, SMOOTH, axis=axis, mode="nearest")
    high = _own_units(high)
    high[ndimage.maximum_filter(hidden, SMOOTH)] = 0.0  # the lesion's edge reaches so far
    quarters = [high[down, right][: rows // 2, : columns // 2] for down, right in _FROM_CORNERS]
    left = max((columns - MIDDLE[1]) // 2, 0)
    strip = high[:, left : left + MIDDLE[1]]
    middles = [half[: rows // 2] for half in (strip, strip[::-1])]
    return {
        "quarters": np.stack([_part(part, (QUARTER, QUARTER), COARSE) for part in quarters]),
        "middles": np.stack([_part(part, MIDDLE, COARSE) for part in middles]),
    }


_FROM_CORNERS = [(slice(None, None, down), slice(None, None, right)) for down in (1, -1) for right in (1, -1)]


def _own_units(high: Floats) -> Floats:
    """In units of the image's own spread, at most 4."""
    spread = float(np.median(np.abs(high))) / 0.6745 + 1.0
    return np.asarray(np.clip(high / spread, -4, 4), dtype=np.float32)


def _part(high: Floats, size: tuple[int, int], pool: int) -> Floats:
    """The array's start, averaged over pool x pool pixels; zero where the image ends."""
    out = np.zeros(size, dtype=np.float32)
    part = high[: size[0], : size[1]]
    out[: part.shape[0], : part.shape[1]] = part
    pooled = out.reshape(size[0] // pool, pool, size[1] // pool, pool).mean(axis=(1, 3))
    return np.asarray(pooled, dtype=np.float32)
