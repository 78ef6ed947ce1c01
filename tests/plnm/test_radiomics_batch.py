"""A cohort's features: the same under every engine, resumable after a kill, faults told with their patient."""

from __future__ import annotations

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

pytest.importorskip("radiomics", reason="needs the imaging extra", exc_type=ImportError)
from PIL import Image
from scipy import ndimage

from validkit.errors import InputError
from validkit.plnm.radiomics import Lesion, Perturbation, extract, extract_cohort, feature_names, perturbed


def write_cohort(folder: Path, patients: int, top: int = 255) -> list[Lesion]:
    """Small speckled images with elliptic outlines, written as PNG; the first patient's lesion is dark."""
    lesions = []
    for number in range(patients):
        rng = np.random.default_rng(number)
        base = ndimage.gaussian_filter(rng.standard_normal((40, 44)), 2)
        base = (base - base.min()) / np.ptp(base) * 240
        pixels = np.clip(base * rng.gamma(8, 1 / 8, base.shape), 0, 150 if number == 0 else top).round()
        y, x = np.mgrid[:40, :44]
        mask = ((y - 20) / (8 + number % 4)) ** 2 + ((x - 22) / 10) ** 2 < 1
        pixels[20, 22] = 150 if number == 0 else top
        files = folder / f"image{number}.png", folder / f"mask{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(files[0])
        Image.fromarray((mask * 255).astype(np.uint8)).save(files[1])
        lesions.append(Lesion(f"p{number:02}", "reader_a", *files))
    return lesions


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Lesion]:
    return write_cohort(tmp_path_factory.mktemp("cohort"), 5)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def first(cohort: list[Lesion], cache: Path):
    return extract_cohort(cohort, preset="sound2d", cache=cache)


def test_tables_hold_what_extract_gives(first, cohort: list[Lesion]) -> None:
    table = first.features["reader_a"]
    assert tuple(table.columns) == feature_names("sound2d")
    assert list(table.index) == ["p00", "p01", "p02", "p03", "p04"]
    assert table.index.name == "patient"
    assert (table.dtypes == np.float64).all()
    pixels, mask = (np.asarray(Image.open(path)) for path in (cohort[2].image, cohort[2].outline))
    assert table.loc["p02"].to_numpy().tobytes() == extract(pixels, mask > 0, preset="sound2d").to_numpy().tobytes()
    assert (first.extracted, first.cached) == (5, 0)
    assert first.guarded == ("p01", "p02", "p03", "p04"), "the first patient's lesion stays below 206"
    assert first.undefined == ()
    assert first.notices == ()


def test_a_second_run_measures_nothing_and_gives_the_same_bytes(first, cohort: list[Lesion], cache: Path) -> None:
    again = extract_cohort(cohort, preset="sound2d", cache=cache)
    assert (again.extracted, again.cached) == (0, 5)
    assert again.guarded == first.guarded
    pd.testing.assert_frame_equal(again.features["reader_a"], first.features["reader_a"], check_exact=True)


def test_workers_give_the_same_bytes(first, cohort: list[Lesion], tmp_path: Path) -> None:
    parallel = extract_cohort(cohort, preset="sound2d", cache=tmp_path, engine="loky:2")
    assert (parallel.extracted, parallel.cached) == (5, 0)
    assert parallel.features["reader_a"].to_numpy().tobytes() == first.features["reader_a"].to_numpy().tobytes()


def test_a_damaged_cache_file_is_measured_again_and_reported(first, cohort: list[Lesion], cache: Path) -> None:
    files = sorted((cache / "radiomics").rglob("*.features"))
    files[2].write_bytes(files[2].read_bytes()[:-8])
    again = extract_cohort(cohort, preset="sound2d", cache=cache)
    assert (again.extracted, again.cached) == (1, 4)
    assert again.notices == ("1 damaged file(s) in the feature cache were ignored and measured again",)
    pd.testing.assert_frame_equal(again.features["reader_a"], first.features["reader_a"], check_exact=True)
    assert extract_cohort(cohort, preset="sound2d", cache=cache).notices == ()


def test_another_setting_is_measured_afresh(cohort: list[Lesion], cache: Path, first) -> None:
    other = extract_cohort(cohort[:1], preset="sound2d", bin_count=32, cache=cache)
    assert (other.extracted, other.cached) == (1, 0)
    assert other.guarded == (), "a fixed number of bins does not overflow"


def test_randomised_outlines_are_their_own_and_the_same_every_time(first, cohort: list[Lesion], cache: Path) -> None:
    copies = perturbed(cohort[:2], copies=2, displacement=0.1, seed=42)
    assert [(lesion.patient, lesion.role) for lesion in copies] == [
        ("p00", "perturbed_1"), ("p00", "perturbed_2"), ("p01", "perturbed_1"), ("p01", "perturbed_2"),
    ]  # fmt: skip
    found = extract_cohort([*cohort, *copies], preset="sound2d", cache=cache)
    assert (found.extracted, found.cached) == (4, 5)
    shape = "original_shape2D_PixelSurface"
    areas = [first.features["reader_a"].loc["p00", shape]]
    areas += [found.features[role].loc["p00", shape] for role in ("perturbed_1", "perturbed_2")]
    assert len(set(areas)) == 3
    alone = extract_cohort(copies[3:], preset="sound2d", cache=None)
    pd.testing.assert_frame_equal(
        alone.features["perturbed_2"], found.features["perturbed_2"].loc[["p01"]], check_exact=True
    )
    assert Perturbation(1, 0.1, 42).rng("a").random() != Perturbation(1, 0.1, 42).rng("b").random()


def test_the_record_is_plain_json_and_counts_add_up(first) -> None:
    record = json.loads(json.dumps(first.record()))
    assert record["n_features"] == sum(record["by_class"].values()) == sum(record["by_image_type"].values()) == 1311
    assert record["n_patients"] == 5
    assert record["guarded"]["n"] == len(record["guarded"]["patients"]) == 4
    assert record["versions"]["pyradiomics"] == "3.0.1"


def test_a_fault_is_told_with_its_patient_and_outline(cohort: list[Lesion], tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.fromarray(np.zeros((40, 44), dtype=np.uint8)).save(blank)
    lesions = [*cohort[:1], Lesion("p77", "reader_b", cohort[0].image, blank)]
    for engine in ("sequential", "loky:2"):
        with pytest.raises(InputError, match=r"^patient 'p77', outline 'reader_b': .*empty"):
            extract_cohort(lesions, preset="sound2d", engine=engine)


def test_an_unlucky_list_of_lesions_is_refused(cohort: list[Lesion]) -> None:
    with pytest.raises(InputError, match=r"`lesions` has patient 'p00' twice under the outline 'reader_a'"):
        extract_cohort([cohort[0], cohort[0]], preset="sound2d")
    with pytest.raises(InputError, match="`lesions` is empty"):
        extract_cohort([], preset="sound2d")


def test_undefined_features_are_listed_with_their_lesion(cohort: list[Lesion]) -> None:
    def two_apart(image, outline, **options):
        mask = np.zeros((40, 44), dtype=bool)
        mask[10, 10] = mask[13, 14] = True
        return np.asarray(Image.open(image), dtype=float), mask, None

    found = extract_cohort(cohort[1:2], preset="sound2d", load=two_apart)
    (undefined,) = found.undefined
    assert (undefined.patient, undefined.role) == ("p01", "reader_a")
    nan = found.features["reader_a"].columns[found.features["reader_a"].isna().iloc[0]]
    assert undefined.features == tuple(nan)
    assert undefined.reason
    assert found.notices[0].startswith(f"1 lesion(s) have undefined features (most: patient 'p01', {len(nan)})")


def test_a_kill_in_the_middle_loses_only_what_was_in_flight(tmp_path: Path) -> None:
    lesions = write_cohort(tmp_path, 16)
    cache = tmp_path / "cache"
    code = (
        "import sys; from pathlib import Path; from validkit.plnm.radiomics import Lesion, extract_cohort\n"
        "folder, cache = map(Path, sys.argv[1:])\n"
        "names = [(f'p{i:02}', folder / f'image{i}.png', folder / f'mask{i}.png') for i in range(16)]\n"
        "extract_cohort([Lesion(p, 'reader_a', i, m) for p, i, m in names], preset='sound2d', cache=cache)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(cache)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(cache.rglob("*.features"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list(cache.rglob("*.features")))
    assert 3 <= kept < 16
    resumed = extract_cohort(lesions, preset="sound2d", cache=cache)
    assert (resumed.extracted, resumed.cached) == (16 - kept, kept)
    assert resumed.notices == ()
    whole = extract_cohort(lesions[:4], preset="sound2d", cache=None)
    assert resumed.features["reader_a"].iloc[:4].to_numpy().tobytes() == whole.features["reader_a"].to_numpy().tobytes()
