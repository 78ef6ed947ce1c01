from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import directed_hausdorff

from validkit.errors import InputError
from validkit.stats.overlap import dice, jaccard, surface_distance


def square(start: int, side: int = 6, size: int = 20) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[start : start + side, start : start + side] = True
    return mask


def test_dice() -> None:
    a = np.zeros((4, 4), bool)
    a[:2] = True
    b = np.zeros((4, 4), np.uint8)
    b[1:3] = 1
    assert dice(a, b).value == 0.5
    assert dice(b, a) == dice(a, b)
    assert dice(a, a).value == 1.0
    assert dice(a, ~a).value == 0.0
    assert math.isnan(dice(a & False, b & 0).value)
    with pytest.raises(InputError, match="only 0 and 1"):
        dice(a, b * 255)
    with pytest.raises(InputError, match="one shape"):
        dice(a, b[:2])


def test_the_same_outline_is_at_no_distance() -> None:
    assert surface_distance(square(3), square(3)).to_dict() == {
        "mean": 0.0,
        "hausdorff": 0.0,
        "hausdorff95": 0.0,
        "note": "",
    }


def test_against_scipy_and_by_symmetry() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        a, b = square(2, 7), square(2, 7)
        a[rng.integers(2, 9, 5), rng.integers(2, 9, 5)] = False
        b[5:14, 4:11] = True
        points = []
        for mask in (a, b):
            padded = np.pad(mask, 1)
            inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
            points.append(np.argwhere(mask & ~inner) * [0.5, 2.0])
        want = max(directed_hausdorff(*points)[0], directed_hausdorff(*points[::-1])[0])
        ours = surface_distance(a, b, spacing=(0.5, 2.0))
        assert ours.hausdorff == pytest.approx(want)
        assert 0 < ours.mean < ours.hausdorff95 <= ours.hausdorff
        assert surface_distance(b, a, spacing=(0.5, 2.0)) == ours


def test_distance_scales_with_the_spacing() -> None:
    a, b = square(3, 1), square(6, 1)
    assert surface_distance(a, b).hausdorff == pytest.approx(3 * math.sqrt(2))
    assert surface_distance(a, b, spacing=0.1).mean == pytest.approx(0.3 * math.sqrt(2))
    cube = np.zeros((3, 4, 5), int)
    cube[0, 0, 0] = 1
    assert surface_distance(cube, cube[::-1], spacing=(3.0, 1.0, 1.0)).hausdorff == 6.0


def test_outlines_at_the_edge_of_the_image_have_a_border_there() -> None:
    whole = np.ones((5, 5), bool)
    inner = np.zeros((5, 5), bool)
    inner[1:4, 1:4] = True
    assert surface_distance(whole, inner).hausdorff == pytest.approx(math.sqrt(2))


def test_empty_outlines_and_bad_spacing() -> None:
    ours = surface_distance(square(3), square(3) & False)
    assert math.isnan(ours.hausdorff)
    assert "empty" in ours.note
    for bad in (0, -1.0, (1.0,), (1.0, math.nan), (1, 1, 1)):
        with pytest.raises(InputError, match="`spacing` must be a positive number, or one for each of 2 axes"):
            surface_distance(square(1), square(2), spacing=bad)


def test_jaccard() -> None:
    a, b = square(3), square(5)  # 36 pixels each, 16 in both
    assert jaccard(a, b).value == 16 / 56
    assert dice(a, b).value == 32 / 72
    assert jaccard(a, a).value == 1.0
    assert jaccard(a, ~a).value == 0.0
    d = dice(a, b).value
    assert jaccard(b, a).value == pytest.approx(d / (2 - d))
    assert (jaccard(a, b).method, dice(a, b).method) == ("Jaccard", "Dice")
    for empty in (jaccard(a & False, b & False), dice(a & False, b & False)):
        assert math.isnan(empty.value)
        assert empty.note == "undefined: both outlines are empty"
    assert jaccard(a, a & False).value == 0.0
    assert math.isnan(jaccard(a, b).low)


def test_surface_distances_by_hand() -> None:
    a, b = np.zeros((1, 12), int), np.zeros((1, 12), int)
    a[0, :3] = 1  # in one row every pixel touches the outside
    b[0, 2:7] = 1
    ours = surface_distance(a, b)
    assert ours.mean == (2 + 1 + 0 + 0 + 1 + 2 + 3 + 4) / 8
    assert ours.hausdorff == 4.0
    assert ours.hausdorff95 == pytest.approx(3.8)  # 95 % of 0, 1, 2, 3, 4; the other way 1.9
    assert ours.note == ""
    with pytest.raises(InputError, match=r"`mask_b` must hold only 0 and 1"):
        surface_distance(a, b * 2)
