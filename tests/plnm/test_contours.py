"""Randomised outlines: lesions still, near the given one, and the same for the same randomness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

pytest.importorskip("skimage", reason="needs the imaging extra", exc_type=ImportError)
from validkit.errors import InputError, StageError
from validkit.plnm import contours
from validkit.plnm.contours import perturb_outline


def blob(seed: int, shape: tuple[int, int] = (70, 80)) -> np.ndarray:
    """An irregular lesion in one piece, clear of the image's edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    angle, radius = np.arctan2(y - shape[0] / 2, x - shape[1] / 2), np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    limit = 15 + sum(rng.normal(0, 2.5 / k) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(1, 6))
    labels, _ = ndimage.label(radius < limit)
    return labels == labels[shape[0] // 2, shape[1] // 2]


def disc(radius: float = 20.0, size: int = 101) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.hypot(y - size // 2, x - size // 2) < radius


@given(seed=st.integers(0, 10_000), displacement=st.floats(0.01, 0.15))
@settings(max_examples=40, deadline=None)
def test_the_result_is_one_lesion_without_holes_off_the_edge(seed: int, displacement: float) -> None:
    mask = blob(seed)
    assume(mask.any())
    drawn = perturb_outline(mask, displacement=displacement, rng=np.random.default_rng(seed))
    assert drawn.dtype == np.bool_
    assert drawn.shape == mask.shape
    assert ndimage.label(drawn, structure=np.ones((3, 3)))[1] == 1
    assert (ndimage.binary_fill_holes(drawn) == drawn).all()
    assert not drawn[[0, -1]].any()
    assert not drawn[:, [0, -1]].any()
    ratio = drawn.sum() / mask.sum()
    assert max(0.25, (1 - 3 * displacement) ** 2) <= ratio <= (1 + 3 * displacement) ** 2


def test_the_same_randomness_gives_the_same_outline_and_other_another() -> None:
    mask = blob(1)
    a, b, c = (perturb_outline(mask, displacement=0.05, rng=np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert (a == b).all()
    assert (a != c).any()
    assert (a != mask).any()


def test_the_given_outline_is_left_alone() -> None:
    mask = blob(2)
    before = mask.copy()
    perturb_outline(mask, displacement=0.1, rng=np.random.default_rng(0))
    assert (mask == before).all()


@pytest.mark.parametrize("displacement", [0.03, 0.06])
def test_the_border_moves_by_the_standard_deviation_that_was_asked_for(displacement: float) -> None:
    """On a disc of radius 40 the border's radius in a fixed direction has mean 40 and the SD asked for."""
    mask, rng = disc(40.0, 161), np.random.default_rng(11)
    radii = []
    for _ in range(150):
        drawn = perturb_outline(mask, displacement=displacement, rng=rng)
        radii += [drawn[80, 80:].sum(), drawn[80, :81].sum(), drawn[80:, 80].sum(), drawn[:81, 80].sum()]
    assert np.mean(radii) == pytest.approx(40, abs=0.5)
    assert np.std(radii) == pytest.approx(displacement * 40, rel=0.15)


def test_a_smaller_displacement_gives_a_nearer_outline() -> None:
    mask = disc()
    overlap = []
    for displacement in (0.02, 0.1):
        drawn = [
            perturb_outline(mask, displacement=displacement, rng=np.random.default_rng(seed)) for seed in range(30)
        ]
        overlap.append(np.mean([2 * (d & mask).sum() / (d.sum() + mask.sum()) for d in drawn]))
    assert overlap[0] > overlap[1] + 0.02
    assert overlap[0] > 0.96


def test_holes_are_filled_and_diagonal_bridges_kept() -> None:
    mask = disc()
    mask[50, 50] = False
    assert perturb_outline(mask, displacement=0.01, rng=np.random.default_rng(0))[50, 50]
    two = np.zeros((40, 40), dtype=bool)
    two[10:20, 10:20] = two[20:30, 20:30] = True
    drawn = perturb_outline(two, displacement=0.01, rng=np.random.default_rng(0))
    assert drawn[12, 12]
    assert drawn[27, 27]


def test_an_outline_one_pixel_off_the_edge_does_not_reach_it_but_one_on_it_may() -> None:
    near = np.zeros((60, 60), dtype=bool)
    near[1:30, 10:45] = True
    for seed in range(10):
        drawn = perturb_outline(near, displacement=0.08, rng=np.random.default_rng(seed))
        assert not drawn[0].any()
    on = np.roll(near, -1, axis=0)
    assert any(perturb_outline(on, displacement=0.08, rng=np.random.default_rng(seed))[0].any() for seed in range(10))


@pytest.mark.parametrize(
    ("mask", "displacement", "message"),
    [
        (np.ones((5, 5)), 0.05, "`mask` must be a 2-D bool array; got 2 dimensions of type float64"),
        (np.zeros((9, 9), dtype=bool), 0.05, "must be one lesion in one piece; got 0 pieces"),
        (np.eye(9, dtype=bool)[::-1] & (np.arange(9) != 4), 0.05, "one piece; got 2 pieces"),
        (disc(), 0.0, r"`displacement` must lie in \(0, 0.5\]; got 0.0"),
        (disc(), 0.6, r"`displacement` must lie in \(0, 0.5\]; got 0.6"),
        (disc(), float("nan"), r"`displacement` must lie in \(0, 0.5\]; got nan"),
    ],
)
def test_what_is_no_lesion_is_refused(mask: np.ndarray, displacement: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        perturb_outline(mask, displacement=displacement, rng=np.random.default_rng(0))


def test_an_outline_that_cannot_be_kept_together_is_an_error_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []

    def erase(place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        draws.append(1)
        return np.full(place.shape, -4.9)

    monkeypatch.setattr(contours, "_field", erase)
    with pytest.raises(
        StageError, match=r"none of 50 randomised outlines of this lesion \(\d+ pixels\) .* smaller one"
    ):
        perturb_outline(disc(), displacement=0.3, rng=np.random.default_rng(1))
    assert len(draws) == 50


def test_a_draw_that_breaks_apart_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dumbbell = np.zeros((60, 160), dtype=bool)
    dumbbell[10:50, 10:50] = dumbbell[10:50, 110:150] = dumbbell[29:31, 50:110] = True
    fields = iter([-0.5, 0.1])
    monkeypatch.setattr(contours, "_field", lambda place, rng: np.full(place.shape, next(fields)))
    drawn = perturb_outline(dumbbell, displacement=0.1, rng=np.random.default_rng(1))
    assert drawn[30, 60]
    assert next(fields, None) is None, "the first draw cuts the bridge, the second keeps it"
