"""The cohort folder: complete, the same bytes every time, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from validkit.cohort.phantom import describe, simulate_table, write_phantom
from validkit.cohort.phantom.patients import CLINICAL
from validkit.cohort.phantom.write import SECOND_READER_PATIENTS, heterogeneity_db, margin_roughness
from validkit.errors import InputError

PATIENTS = 54
BORDER = np.pad(np.zeros((254, 318), dtype=bool), 1, constant_values=True)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom") / "cohort", patients=PATIENTS, engine="sequential")


@pytest.fixture(scope="module")
def table(cohort: Path) -> pd.DataFrame:
    return pd.read_csv(cohort / "cohort.csv")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Recorder:
    """A reporter that counts."""

    def __init__(self) -> None:
        self.label, self.total, self.finished = "", 0, 0

    def work(self, label: str, total: int) -> Recorder:
        self.label, self.total = label, total
        return self

    def __enter__(self):
        return self.one

    def __exit__(self, *_: object) -> None:
        return None

    def one(self) -> None:
        self.finished += 1

    def say(self, text: str) -> None:
        raise AssertionError(text)


def test_cohort_csv_has_the_paper_s_columns_and_its_table(table: pd.DataFrame) -> None:
    assert list(table.columns) == ["patient_id", "site", "plnm", *CLINICAL, "image", "mask_a", "mask_a2", "mask_b"]
    drawn = simulate_table(PATIENTS, 1, 42)
    pd.testing.assert_frame_equal(table[list(drawn.columns)], drawn, check_dtype=False)
    assert table["plnm"].sum() == round(PATIENTS * 107 / 421)


def test_every_named_file_is_there_and_no_other(cohort: Path, table: pd.DataFrame) -> None:
    named = {path for column in ("image", "mask_a", "mask_a2", "mask_b") for path in table[column].dropna()}
    assert named | {"cohort.csv", "phantom.json"} == set(digests(cohort))
    assert table[["image", "mask_a", "mask_a2"]].notna().all().all()


def test_reader_b_outlined_fifty_patients(table: pd.DataFrame) -> None:
    by_b = table["mask_b"].notna()
    assert by_b.sum() == SECOND_READER_PATIENTS == 50
    assert not by_b.to_numpy()[:50].all()


def test_outlines_are_one_filled_piece_inside_the_image(cohort: Path, table: pd.DataFrame) -> None:
    for row in table.itertuples():
        image = pixels(cohort / row.image)
        for name in (row.mask_a, row.mask_a2, row.mask_b):
            if not isinstance(name, str):
                continue
            mask = pixels(cohort / name)
            assert mask.shape == image.shape == (256, 320)
            assert set(np.unique(mask)) == {0, 255}
            inside = mask > 0
            assert ndimage.label(inside)[1] == 1
            assert (ndimage.binary_fill_holes(inside) == inside).all()
            assert not inside[BORDER].any()
            assert 1000 < inside.sum() < 12_000


def test_images_use_the_grey_scale_and_the_lesion_is_dark_not_clipped(cohort: Path, table: pd.DataFrame) -> None:
    darker, clipped, spans = [], [], []
    for row in table.itertuples():
        image, inside = pixels(cohort / row.image), pixels(cohort / row.mask_a) > 0
        around = ndimage.binary_dilation(inside, iterations=15) & ~ndimage.binary_dilation(inside, iterations=5)
        darker.append(image[around].mean() - image[inside].mean())
        clipped.append(np.isin(image[inside], (0, 255)).mean())
        spans.append(np.ptp(np.percentile(image, [0.1, 99.9])))
    assert np.median(darker) > 20
    assert np.mean(np.array(darker) > 5) > 0.95
    assert np.mean(clipped) < 0.001
    assert np.median(spans) > 150
    means = [pixels(cohort / name).mean() for name in table["image"]]
    assert 80 < np.mean(means) < 140


def test_images_are_all_different(cohort: Path, table: pd.DataFrame) -> None:
    found = digests(cohort)
    assert len({found[name] for name in table["image"]}) == PATIENTS
    assert all(found[a] != found[again] for a, again in zip(table["mask_a"], table["mask_a2"], strict=True))


def test_phantom_json_says_what_it_is_and_the_truth(cohort: Path) -> None:
    record = json.loads((cohort / "phantom.json").read_text(encoding="utf-8"))
    truth = describe(1, 42)
    assert record["validkit_phantom"] is True
    assert "simulated" in record["description"].lower()
    assert (record["seed"], record["patients"], record["sites"]) == (42, PATIENTS, 1)
    assert record["truth"]["odds_ratios"] == {"max_diameter": 1.055, "rbc": 0.646}
    assert record["site_settings"] == truth["sites"]
    assert record["version"]


def test_same_bytes_for_any_number_of_workers_and_other_bytes_for_another_seed(tmp_path: Path) -> None:
    one = write_phantom(tmp_path / "one", patients=10, sites=2, seed=5, engine="sequential")
    two = write_phantom(tmp_path / "two", patients=10, sites=2, seed=5, engine="loky:2")
    other = write_phantom(tmp_path / "other", patients=8, sites=2, seed=6, engine="sequential")
    assert digests(one) == digests(two)
    assert digests(one)["images/PH0001.png"] != digests(other)["images/PH0001.png"]


def test_few_patients_are_all_outlined_by_reader_b_and_progress_is_shown(tmp_path: Path) -> None:
    recorder = Recorder()
    folder = write_phantom(tmp_path / "few", patients=4, seed=1, engine="sequential", reporter=recorder)
    assert pd.read_csv(folder / "cohort.csv")["mask_b"].notna().all()
    assert (recorder.total, recorder.finished) == (4, 4)
    assert recorder.label


def test_an_empty_folder_is_used_and_a_full_one_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    write_phantom(empty, patients=4, engine="sequential")
    before = digests(empty)
    with pytest.raises(InputError, match=r"empty already exists and is not empty; name another or remove it"):
        write_phantom(empty, patients=4, engine="sequential")
    assert digests(empty) == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is the name of a file"):
        write_phantom(tmp_path / "file", patients=4, engine="sequential")


def test_an_error_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import validkit.cohort.phantom.write as module

    with pytest.raises(InputError, match="engine must be"):
        write_phantom(tmp_path / "out", patients=4, engine="fork")

    def fail(case: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(module, "draw_case", fail)
    with pytest.raises(InputError, match=r"out' cannot be written \(disk full\)"):
        write_phantom(tmp_path / "out", patients=4, engine="sequential")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from validkit.cohort.phantom import write_phantom; "
        f"write_phantom(Path({str(tmp_path / 'out')!r}), patients=2000, engine='sequential')"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        limit = time.monotonic() + 60
        while not list(tmp_path.glob(".draft-*-out/images/*.png")):
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert [path.name.startswith(".draft-") for path in tmp_path.iterdir()] == [True]
    write_phantom(tmp_path / "out", patients=4, engine="sequential")
    assert (tmp_path / "out" / "cohort.csv").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_sweeping_leaves_live_writers_and_other_phantoms(tmp_path: Path) -> None:
    from validkit.durable import draft_name

    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    live = draft_name()
    dead = live.replace(f"-{os.getpid()}-", f"-{done.pid}-")
    assert dead != live
    elsewhere = ".draft-00000000" + dead[len(".draft-00000000") :]
    for name in (f"{live}-out", f"{dead}-out", f"{dead}-other", f"{elsewhere}-out", "out", ".hidden-out"):
        (tmp_path / name).mkdir()
    write_phantom(tmp_path / "out", patients=4, engine="sequential")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{live}-out", f"{dead}-other", f"{elsewhere}-out", "out", ".hidden-out"}


def test_image_properties_rise_with_the_latent_variables_within_bounds() -> None:
    latent = np.linspace(-6, 8, 50)
    for law, low, high in ((heterogeneity_db, 0.7, 6.5), (margin_roughness, 0.005, 0.085)):
        values = np.array([law(value) for value in latent])
        assert (np.diff(values) >= 0).all()
        assert values.min() == low
        assert values.max() == high


@pytest.mark.slow
def test_images_of_the_paper_s_cohort_carry_the_signal(tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    folder = write_phantom(tmp_path / "cohort")
    table = pd.read_csv(folder / "cohort.csv")
    texture, margin = [], []
    for row in table.itertuples():
        image, inside = pixels(folder / row.image).astype(float), pixels(folder / row.mask_a) > 0
        texture.append(ndimage.gaussian_filter(image, 2)[ndimage.binary_erosion(inside, iterations=5)].std())
        edge = inside & ~ndimage.binary_erosion(inside)
        margin.append(edge.sum() ** 2 / inside.sum())
    assert roc_auc_score(table["plnm"], texture) > 0.60
    assert roc_auc_score(table["plnm"], margin) > 0.57
