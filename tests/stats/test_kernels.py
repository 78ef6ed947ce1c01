"""The compiled loops give what the same lines give in Python, and the random stream what its publication says."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest

from validkit.stats import kernels, refit_kernels


def uncompiled(name: str) -> ModuleType:
    """A second copy of a module of kernels, run by Python."""
    spec = importlib.util.find_spec(f"validkit.stats.{name}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plain() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba, "njit", lambda **options: lambda function: function)
        module = uncompiled("kernels")
        patch.setitem(sys.modules, "validkit.stats.kernels", module)
        refits = uncompiled("refit_kernels")
    return module, refits


@pytest.fixture(autouse=True)
def wrapping() -> Any:
    """Unsigned arithmetic wraps around; compiled code does so in silence."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def patients(n: int = 24, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = np.sort(np.round(rng.uniform(0.05, 0.95, n), 1))
    return (rng.random(n) < p).astype(np.int8), p


PLANS: dict[str, tuple[Any, ...]] = {
    "plain": (np.arange(24), np.array([0, 24]), np.empty(0, np.int64)),
    "strata": (np.r_[np.arange(0, 24, 2), np.arange(1, 24, 2)], np.array([0, 12, 24]), np.empty(0, np.int64)),
    "clusters": (np.arange(8), np.array([0, 8]), np.arange(24) // 3),
    "an empty stratum": (np.arange(24), np.array([0, 0, 24]), np.empty(0, np.int64)),
}


@pytest.mark.parametrize("kind", PLANS)
def test_counts(plain: Any, kind: str) -> None:
    members, offsets, _ = PLANS[kind]
    ours, theirs = (np.zeros((6, members.size), np.int32) for _ in range(2))
    kernels.counts(99, 2, 8, members, offsets, ours)
    plain[0].counts(99, 2, 8, members, offsets, theirs)
    np.testing.assert_array_equal(ours, theirs)
    assert (ours.sum(axis=1) == members.size).all()


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("tied", [True, False])
def test_auc_and_means(plain: Any, kind: str, tied: bool) -> None:
    y, p = patients()
    last = np.r_[p[1:] != p[:-1], True] if tied else np.ones(24, bool)
    contributions = np.stack([(p - y) ** 2, np.where(p > 0.85, np.inf, p)])
    found = []
    for module in (kernels, plain[0]):
        out = np.zeros((9, 4))
        module.auc_and_means(y, last, contributions, 5, 0, 9, *PLANS[kind], out)
        found.append(out)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("wrong", [False, True])
def test_recalibration(plain: Any, kind: str, wanted: tuple[bool, bool], wrong: bool) -> None:
    y, p = patients()
    state_of = np.zeros(24, np.int8)
    state_of[0] = 2 if wrong else 1
    x = np.log(p / (1 - p))
    found = []
    for module in (kernels, plain[0]):
        out, state = np.zeros((12, 3)), np.zeros(12, np.int8)
        module.recalibration(
            x, y, state_of, np.array([0.0, 1.0, 0.0]), np.array(wanted), 5, 0, 12, *PLANS[kind], out, state
        )
        found.append(np.column_stack([out, state]))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10, atol=1e-12)
    members, offsets, unit_of = PLANS[kind]
    counts = np.zeros((12, members.size), np.int32)
    kernels.counts(5, 0, 12, members, offsets, counts)
    drawn = counts[:, unit_of[0] if unit_of.size else 0] > 0
    assert drawn.any()
    if wrong:
        assert np.isnan(found[0][drawn, :3]).all()
    defined = np.isfinite(found[0][~drawn] if wrong else found[0])
    assert defined[:, 1].any() == wanted[0]
    assert defined[:, 2].any() == wanted[1]


def test_newton_gives_up_where_there_is_nothing_to_find(plain: Any) -> None:
    x, w = np.array([-1.0, -0.5, 0.5, 1.0]), np.ones(4)
    for module in (kernels, plain[0]):
        constant = module.newton_line(np.ones(4), np.array([0.0, 1.0, 0.0, 1.0]), w, 4, 0.0, 1.0, True)
        assert not constant[2]
        nobody = module.newton_line(x, np.zeros(4), w, 0, 0.0, 1.0, False)
        assert not nobody[2]
        fitted = module.newton_line(x, np.array([0.0, 1.0, 0.0, 1.0]), w, 4, 0.0, 1.0, True)
        assert fitted[2]


@pytest.mark.parametrize("kind", PLANS)
@pytest.mark.parametrize("wanted", [(True, True, True, True), (True, True, False, False)])
def test_logistic_refits(plain: Any, kind: str, wanted: tuple[bool, ...]) -> None:
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(24), rng.normal(size=24), rng.integers(0, 3, 24)]).astype(float)
    y = (rng.random(24) < 1 / (1 + np.exp(-0.3 * x[:, 1]))).astype(np.int8)
    found = []
    for module in (refit_kernels, plain[1]):
        out, coefficients, state = np.full((10, 3, 4), np.nan), np.zeros((10, 3)), np.zeros(10, np.int8)
        warm = np.zeros(3)
        module.logistic_refits(x, y, warm, np.array(wanted), 8, 0, 10, *PLANS[kind], out, coefficients, state)
        found.append((out, coefficients, state))
    settled = found[0][2] == 0
    np.testing.assert_array_equal(found[1][2] == 0, settled)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours[settled], theirs[settled], rtol=1e-9, atol=1e-10)
    assert settled.sum() >= 5


def test_a_matrix_that_is_not_positive_definite_is_no_step(plain: Any) -> None:
    for module in (refit_kernels, plain[1]):
        step = np.zeros(2)
        assert not module.cholesky_step(np.array([[1.0, 0.0], [2.0, 1.0]]), np.ones(2), step)
        assert module.cholesky_step(np.array([[4.0, 0.0], [2.0, 3.0]]), np.array([8.0, 7.0]), step)
        np.testing.assert_allclose(np.array([[4.0, 2.0], [2.0, 3.0]]) @ step, [8.0, 7.0])
        h, g, room = np.empty((2, 2)), np.empty(2), np.empty(2)
        x = np.column_stack([np.ones(4), [-2.0, -1.0, 1.0, 2.0]])
        separated = np.array([0, 0, 1, 1], np.int8)
        assert not module.newton_logistic(x, separated, np.ones(4, np.int32), np.zeros(2), h, g, room)
        constant = np.ones((4, 2))
        assert not module.newton_logistic(constant, separated, np.ones(4, np.int32), np.zeros(2), h, g, room)


def test_nobody_left_has_no_value(plain: Any) -> None:
    eta, y, order = np.array([0.1, 0.2, 0.3]), np.array([0, 1, 0], np.int8), np.arange(3)
    for module in (refit_kernels, plain[1]):
        room = (np.zeros(3, np.int32), np.zeros(3, np.int64), np.zeros(3, bool), np.empty((3, 3)))
        out = np.zeros(4)
        assert module.judged(eta, y, order, np.zeros(3, np.int32), np.ones(4, bool), *room, out)
        assert np.isnan(out).all()
        assert module.judged(eta, y, order, np.array([1, 0, 1], np.int32), np.ones(4, bool), *room, out)
        assert np.isnan(out[[0, 2, 3]]).all()
        assert out[1] > 0
        assert module.judged(
            eta, np.array([0, 0, 1], np.int8), order, np.ones(3, np.int32), np.ones(4, bool), *room, out
        )
        assert out[0] == 1
        assert np.isnan(out[2])  # separated
