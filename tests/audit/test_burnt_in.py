"""Marks that predict the outcome are caught; tissue is not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from validkit.audit import check_burnt_in
from validkit.audit.findings import Finding
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
        "border",
        "corners",
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
    def compressed(pixels: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=60)
        return np.asarray(Image.open(file))

    folder.mark(
        lambda pixels: compressed(written("LEFT", (8, 8))(pixels)), events=0.8, others=0.1, alternative=compressed
    )
    assert check_burnt_in(folder.read(), seed=1).outcome == "fail"


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
