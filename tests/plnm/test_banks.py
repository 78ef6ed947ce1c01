"""A cohort's bank: cut side by side, kept, opened without reading an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the deep extra")

from validkit.cohort import Cohort, read_cohort
from validkit.cohort.phantom import write_phantom
from validkit.plnm import banks
from validkit.plnm.banks import cohort_bank
from validkit.plnm.deep.cutting import build_bank
from validkit.protocol import parse_protocol, source_of


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    write_phantom(folder, patients=14, seed=8, engine="sequential")
    return read_cohort(folder, parse_protocol(source_of("plnm-quick")).cohort)


def bank_of(data: Cohort, cache: Path, **changes: object):
    settings = {"image_size": 32, "margin": 0.15, "cache": cache, "engine": "sequential", "reporter": None}
    return cohort_bank(data, **(settings | changes))  # type: ignore[arg-type]


def test_it_is_what_cutting_one_after_the_other_gives(
    data: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build_bank((data.lesion(p)[:2] for p in data.patients), image_size=32, margin=0.15)
    monkeypatch.setattr(banks, "CHUNK", 4)
    for engine in ("sequential", "loky:2"):
        assert bank_of(data, tmp_path / engine[:4], engine=engine).digest == expected.digest


def test_it_is_cut_once_and_then_opened_without_reading_an_image(
    data: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bank_of(data, tmp_path)

    def no_reading(*_: object) -> None:
        raise AssertionError("an image was read")

    with monkeypatch.context() as patch:
        patch.setattr(Cohort, "lesion", no_reading)
        again = bank_of(data, tmp_path)
        assert isinstance(again.images, np.memmap)
        assert again.digest == first.digest
        for other in ({"image_size": 48}, {"margin": 0.2}):
            with pytest.raises(AssertionError, match="an image was read"):
                bank_of(data, tmp_path, **other)
        with pytest.raises(AssertionError, match="an image was read"):
            bank_of(data.take(data.patients[::-1]), tmp_path)
    one = next((tmp_path / "banks").glob("*/images.npy"))
    one.write_bytes(one.read_bytes()[:-1] + b"\x00")
    assert bank_of(data, tmp_path).digest == first.digest, "a damaged one is cut again"
