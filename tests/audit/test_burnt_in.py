"""Marks that predict the outcome are caught; tissue is not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from validkit.audit import check_burnt_in
from validkit.audit.burnt_in import centroids
from validkit.audit.chance import Bench, bench, chance_p
from validkit.audit.findings import Finding
from validkit.audit.flat_edges import flat_edges, surround
from validkit.audit.marks import border, marks, strokes
from validkit.cohort import Cohort, CohortError

pytest.importorskip("imagehash", reason="needs the imaging extra")


def written(text: str, at: tuple[int, int], fill: int = 255) -> Any:
    def change(pixels: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(pixels)
        ImageDraw.Draw(picture).text(at, text, fill=fill)
        return np.asarray(picture)

    return change


def caliper(pixels: np.ndarray) -> np.ndarray:
    pixels[17:24, -20] = 255
    pixels[20, -23:-16] = 255
    return pixels


def anywhere(seed: int) -> Any:
    rng = np.random.default_rng(seed)

    def change(pixels: np.ndarray) -> np.ndarray:
        at = int(rng.integers(0, pixels.shape[1] - 35)), int(rng.integers(190, pixels.shape[0] - 12))
        return written("LEFT", at)(pixels)

    return change


def ring(value: int, width: int = 1) -> Any:
    def change(pixels: np.ndarray) -> np.ndarray:
        inside = pixels[width:-width, width:-width].copy()
        pixels[:] = value
        pixels[width:-width, width:-width] = inside
        return pixels

    return change


def filled(size: int, value: int, *, round_: bool = False, seed: int | None = None) -> Any:
    """A square or disc below the middle, or anywhere in the lower third where a seed is given."""
    rng = None if seed is None else np.random.default_rng(seed)

    def change(pixels: np.ndarray) -> np.ndarray:
        high, wide = pixels.shape
        x, y = (wide - 70, 190) if rng is None else (int(rng.integers(8, wide - 40)), int(rng.integers(175, high - 32)))
        picture = Image.fromarray(pixels)
        draw = ImageDraw.Draw(picture)
        (draw.ellipse if round_ else draw.rectangle)((x, y, x + size - 1, y + size - 1), fill=value)
        return np.asarray(picture)

    return change


def compressed(change: Any, quality: int) -> Any:
    def both(pixels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(change(pixels)).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return both


def failed(found: Finding) -> set[str]:
    return {row["set"] for row in found.evidence["sets"] if row["outcome"] == "fail"}


def test_tissue_alone_passes(clean: Cohort, is_json: Any) -> None:
    found = check_burnt_in(clean, seed=1)
    assert found.outcome == "pass"
    assert is_json(found.evidence)
    assert all(0 < row["p"] <= 1 for row in found.evidence["sets"])
    assert [row["set"] for row in found.evidence["sets"]] == [
        "how many strokes",
        "strokes by place",
        "edges of flat areas",
        "border",
        "corners",
        "whole picture",
    ]


@pytest.mark.parametrize(
    ("change", "sets"),
    [
        (written("R", (6, 6)), {"how many strokes", "strokes by place", "corners"}),
        (written("12.3mm", (250, 235)), {"how many strokes", "strokes by place"}),
        (caliper, {"how many strokes", "strokes by place", "corners"}),
        (anywhere(4), {"how many strokes"}),
    ],
    ids=["letter", "text", "caliper", "anywhere"],
)
def test_a_drawn_mark_is_caught(folder: Any, change: Any, sets: set[str]) -> None:
    folder.mark(change, events=0.8, others=0.1)
    found = check_burnt_in(folder.read(), seed=1)
    assert found.outcome == "fail"
    assert failed(found) & sets, found.why
    for row in found.evidence["sets"]:
        if row["outcome"] == "fail":
            assert row["low"] > 0.5
            assert row["p"] < 0.01
            assert len(row["cases"]) <= 20
            assert row["telling"][0]["present_event"] > 0


def test_a_mark_blurred_by_compression_is_caught(folder: Any) -> None:
    plain = compressed(lambda pixels: pixels, 60)
    folder.mark(compressed(written("LEFT", (8, 8)), 60), events=0.8, others=0.1, alternative=plain)
    assert check_burnt_in(folder.read(), seed=1).outcome == "fail"


@pytest.mark.parametrize(
    ("change", "sets"),
    [
        (filled(10, 0), {"edges of flat areas", "whole picture"}),
        (filled(30, 0, seed=5), {"edges of flat areas"}),
        (filled(12, 180, seed=6), {"edges of flat areas"}),
        (filled(8, 255, round_=True), {"edges of flat areas", "whole picture"}),
        (written("12.3 mm", (140, 6), 180), {"how many strokes", "whole picture"}),
    ],
    ids=["black box", "black box anywhere", "square anywhere", "small disc", "faint text"],
)
def test_half_of_the_events_marked_is_caught(folder: Any, change: Any, sets: set[str]) -> None:
    folder.mark(change, events=0.5, others=0.0)
    found = check_burnt_in(folder.read(), seed=1, permutations=299)
    assert failed(found) & sets, found.why


def test_a_box_blurred_by_compression_is_caught(folder: Any) -> None:
    plain = compressed(lambda pixels: pixels, 75)
    folder.mark(compressed(filled(16, 0, seed=8), 75), events=0.8, others=0.1, alternative=plain)
    assert "edges of flat areas" in failed(check_burnt_in(folder.read(), seed=1, permutations=299))


@pytest.mark.parametrize(("event", "other"), [(255, None), (3, 0)], ids=["frame", "0-or-3"])
def test_a_border_is_caught(folder: Any, event: int, other: int | None) -> None:
    folder.mark(ring(event), events=1.0, others=0.0, alternative=None if other is None else ring(other))
    found = check_burnt_in(folder.read(), seed=1)
    assert "border" in failed(found)
    told = {row["set"]: row for row in found.evidence["sets"]}["border"]
    assert told["auc"] == 1.0
    assert "border" in told["telling"][0]["what"]


def test_text_on_everyone_is_no_leak(folder: Any) -> None:
    folder.mark(written("LEFT", (8, 8)), events=1.0, others=1.0)
    assert check_burnt_in(folder.read(), seed=1).outcome == "pass"


def test_marks_inside_the_lesions_crop_are_not_looked_at() -> None:
    grey = np.full((64, 64), 60, dtype=np.uint8)
    grey[20:30, 30] = 255
    hidden = np.zeros(grey.shape, dtype=bool)
    assert strokes(grey)[20:30, 30].all()
    assert marks(grey, hidden).strokes.sum() == 10
    hidden[15:35, 25:35] = True
    seen = marks(grey, hidden)
    assert seen.strokes.sum() == 0
    assert seen.pieces == 0


def test_a_flat_line_along_the_row_is_no_stroke() -> None:
    grey = np.full((40, 40), 60, dtype=np.uint8)
    grey[10, 5:35] = 255
    assert not strokes(grey).any()


def test_a_box_has_two_upright_edges_and_its_surround_none() -> None:
    grey = np.random.default_rng(3).integers(60, 240, (60, 60)).astype(np.uint8)
    assert not flat_edges(grey).any()
    grey[20:40, 10:30] = 0
    assert set(np.nonzero(flat_edges(grey))[1]) == {10, 11, 28, 29}
    grey[:, 50:] = 0
    assert surround(grey)[:, 50:].all()
    assert set(np.nonzero(flat_edges(grey))[1]) == {10, 11, 28, 29}


@pytest.mark.parametrize("gain", [0.3, 1.0, 1.6])
def test_tissue_has_no_flat_edges_whatever_its_gain(clean: Cohort, gain: float) -> None:
    for patient in clean.patients[:10]:
        grey = np.clip(clean.lesion(patient).pixels * gain, 0, 255).astype(np.uint8)
        assert np.count_nonzero(flat_edges(grey)) <= 10


def test_an_image_smaller_than_a_patch_has_no_edges() -> None:
    assert not flat_edges(np.zeros((3, 2), dtype=np.uint8)).any()


def test_patients_without_a_rare_mark_score_nought() -> None:
    outcome = np.tile([1, 0], 30)
    values = np.where(np.arange(60) % 10 == 0, 7.0, 0.0).astype(np.float32)[:, None]
    at = bench(pd.Series(outcome), None, 3)
    assert isinstance(at, Bench)
    score = centroids(values, at)(outcome[None].astype(np.float32))[0]
    assert (score[values[:, 0] == 0] == 0).all()
    assert (score[values[:, 0] > 0] > 0).all()


def test_p_of_chance_keeps_its_level() -> None:
    """Of sets as different as a rare mark and many numbers, under chance: no more than alpha of p lie below alpha."""
    rng = np.random.default_rng(8)
    low = []
    for _ in range(100):
        at = bench(pd.Series(rng.permutation(np.repeat([0, 1], [36, 14]))), None, int(rng.integers(1000)))
        assert isinstance(at, Bench)
        rare = (rng.random((50, 1)) < 0.1).astype(np.float32)
        many = rng.standard_normal((50, 60)).astype(np.float32)
        p, made = chance_p(at, [centroids(rare, at), centroids(many, at)], rng, 199)
        assert made <= 199
        low.append(min(p) < 0.1)
    assert np.mean(low) <= 0.1 + 2.6 * np.sqrt(0.09 / 100)


def test_border_width_and_value_are_measured() -> None:
    grey = np.random.default_rng(2).integers(20, 240, (80, 90)).astype(np.uint8)
    assert not border(grey, np.zeros(grey.shape, dtype=bool))[:8].any()
    grey[:, :3] = 7
    found = border(grey, np.zeros(grey.shape, dtype=bool))
    assert found[:8].tolist() == [0, 0, 0, 0, 3, 8, 0, 0]


@pytest.mark.slow  # workers take long to start
def test_the_answer_follows_the_seed_and_no_worker(clean: Cohort) -> None:
    assert check_burnt_in(clean, seed=1) == check_burnt_in(clean, seed=1, engine="loky:2")


def test_an_image_that_vanished_is_told(folder: Any) -> None:
    cohort = folder.read()
    (folder.root / "images" / f"{cohort.patients[5]}.png").unlink()
    with pytest.raises(CohortError, match=f"{cohort.patients[5]}.png' is not there"):
        check_burnt_in(cohort, seed=1)


def test_too_few_events_are_told(clean: Cohort) -> None:
    events = [p for p in clean.patients if clean.outcome[p]][:4]
    few = clean.take([p for p in clean.patients if not clean.outcome[p]][:20] + events)
    found = check_burnt_in(few, seed=1)
    assert found.outcome == "not applicable"
    assert "there are 4 and 20" in found.why
