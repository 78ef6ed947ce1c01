"""The cache: what was put comes back to the bit, what is damaged does not come back at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from validkit.durable import default_cache
from validkit.errors import InputError
from validkit.plnm.radiomics import cache as cache_module
from validkit.plnm.radiomics.cache import FeatureCache, content_key, settings_digest
from validkit.plnm.radiomics.extraction import Measured
from validkit.plnm.radiomics.presets import preset_named

KEY = "ab" * 32
VALUES = Measured(np.array([1.5, -0.0, np.nan, np.pi, 5e-324]), ("a message", "ein Wörtchen"))


def test_a_measurement_comes_back_to_the_bit(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    assert cache.get(KEY, 5).measured is None
    cache.put(KEY, VALUES)
    found = cache.get(KEY, 5)
    assert not found.damaged
    assert found.measured is not None
    assert found.measured.values.tobytes() == VALUES.values.tobytes()
    assert found.measured.messages == VALUES.messages
    assert cache.path(KEY) == tmp_path / "radiomics" / "ab" / "ab" / f"{KEY}.features"


def test_it_is_computed_once(tmp_path: Path) -> None:
    cache, calls = FeatureCache(tmp_path), []

    def compute() -> Measured:
        calls.append(1)
        return VALUES

    first, looked = cache.remember(KEY, 5, compute)
    again, looked_again = cache.remember(KEY, 5, compute)
    assert len(calls) == 1
    assert looked.measured is None
    assert looked_again.measured is not None
    assert first.values.tobytes() == again.values.tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:100],
        lambda data: b"",
        lambda data: b"\x80\x04\x95" + data,
        lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
        lambda data: data.replace(b"message", b"massage"),
    ],
)
def test_a_damaged_file_is_noticed_and_replaced(tmp_path: Path, damage) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(KEY, VALUES)
    path = cache.path(KEY)
    path.write_bytes(damage(path.read_bytes()))
    found = cache.get(KEY, 5)
    assert found.measured is None
    assert found.damaged
    cache.remember(KEY, 5, lambda: VALUES)
    assert cache.get(KEY, 5).measured is not None


def test_a_file_under_another_key_or_with_other_features_is_not_used(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put(KEY, VALUES)
    other = "cd" * 32
    cache.path(other).parent.mkdir(parents=True)
    cache.path(other).write_bytes(cache.path(KEY).read_bytes())
    assert cache.get(other, 5).damaged
    assert cache.get(KEY, 6).damaged


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    cache = FeatureCache(None)
    cache.prepare()
    cache.put(KEY, VALUES)
    assert cache.get(KEY, 5).measured is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be written \(.*\): set VALIDKIT_CACHE to a folder that can"):
        FeatureCache(tmp_path / "file").prepare()


def test_the_default_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VALIDKIT_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"
    monkeypatch.delenv("VALIDKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "validkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "home" / ".cache" / "validkit"


def test_the_key_depends_on_everything_that_the_features_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, mask = np.arange(12.0).reshape(3, 4), np.ones((3, 4), dtype=bool)

    def key(preset="sound2d", width=None, count=None, image=pixels, outline=mask, spacing=(1.0, 1.0)) -> str:
        return content_key(settings_digest(preset_named(preset), width, count), image, outline, spacing)

    other_outline = mask.copy()
    other_outline[0, 0] = False
    keys = [
        key(), key(preset="paper1561"), key(width=10.0), key(count=32), key(image=pixels + 1e-9),
        key(outline=other_outline), key(spacing=(1.0, 0.5)), key(image=pixels.T.copy(), outline=mask.T.copy()),
    ]  # fmt: skip
    assert key() == key(width=25), "the preset's own width, said aloud"
    monkeypatch.setattr(cache_module, "_installed", lambda: (("pyradiomics", "9.9"),))
    keys.append(key())
    assert len(set(keys)) == len(keys)
