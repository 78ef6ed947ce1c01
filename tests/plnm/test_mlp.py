from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from validkit.errors import InputError, StageError
from validkit.plnm.mlp import MLP

torch = pytest.importorskip("torch", reason="the perceptron is trained by PyTorch (extra 'models')")
pytest.importorskip("skorch", reason="the perceptron is trained through skorch (extra 'models')")


def spirals(n: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no line separates: inside and outside a circle."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, (np.hypot(X[:, 0], X[:, 1]) > 1.2).astype(int)


def test_learns_what_a_line_cannot() -> None:
    X, y = spirals()
    fresh, truth = spirals(seed=1)
    fitted = MLP(learning_rate=0.01, random_state=0).fit(X, y)
    assert np.mean(fitted.predict(fresh) == truth) > 0.9


def test_numpy_prediction_is_the_network_s_own() -> None:
    X, y = spirals()
    fitted = MLP(hidden=(8, 5), epochs=5, random_state=0).fit(X, y)
    layers = []
    for weight, bias in zip(fitted.weights_, fitted.biases_, strict=True):
        linear = torch.nn.Linear(*weight.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, torch.nn.ReLU()]
    with torch.no_grad():
        expected = torch.softmax(torch.nn.Sequential(*layers[:-1])(torch.from_numpy(X)), dim=1).numpy()
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-14)
    assert [weight.shape for weight in fitted.weights_] == [(2, 8), (8, 5), (5, 2)]
    assert {values.dtype for values in (*fitted.weights_, *fitted.biases_)} == {np.dtype(np.float64)}


def test_stops_early_and_restores_the_best_epoch() -> None:
    X, y = spirals()
    rng = np.random.default_rng(0)
    noise = rng.permutation(y)
    fitted = MLP(learning_rate=0.02, patience=4, random_state=0).fit(X, noise)
    assert fitted.n_epochs_ == fitted.best_epoch_ + 4 < 200
    assert fitted.validation_loss_[fitted.best_epoch_ - 1] == min(fitted.validation_loss_)
    assert len(fitted.train_loss_) == len(fitted.validation_loss_) == fitted.n_epochs_
    short = MLP(learning_rate=0.02, patience=4, epochs=fitted.best_epoch_, random_state=0).fit(X, noise)
    assert short.best_epoch_ == fitted.best_epoch_
    for ours, theirs in zip(fitted.weights_, short.weights_, strict=True):
        assert np.array_equal(ours, theirs)


def test_same_seed_same_bytes_other_seed_other_network() -> None:
    X, y = spirals()
    one, two, other = (MLP(epochs=3, random_state=seed).fit(X, y).predict_proba(X) for seed in (7, 7, 8))
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one, other)


def test_leaves_the_process_as_it_was() -> None:
    X, y = spirals(80)
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global stream is what must not move
    MLP(epochs=2, random_state=0).fit(X, y)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_class_weights_move_the_balance() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(300) % 6 == 0).astype(int)
    X = rng.normal(size=(300, 3)) + 0.5 * y[:, None]
    plain, balanced = (
        MLP(class_weight=weight, learning_rate=0.01, random_state=0).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in (None, "balanced")
    )
    assert plain == pytest.approx(1 / 6, abs=0.06)
    assert balanced > plain + 0.15


def test_importing_it_imports_no_torch() -> None:
    code = "import sys, validkit.plnm.mlp; sys.exit('torch' in sys.modules or 'skorch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_refuses_what_it_cannot_learn_from() -> None:
    X, y = spirals(40)
    with pytest.raises(InputError, match="y holds one class, 1"):
        MLP().fit(X, np.ones(40, dtype=int))
    lonely = np.zeros(40, dtype=int)
    lonely[3] = 1
    with pytest.raises(InputError, match=r"at least 2 patients of each class.*class 1 has 1"):
        MLP().fit(X, lonely)
    with pytest.raises(StageError, match="diverged: standardise the features"):
        MLP(learning_rate=1e30, epochs=20, random_state=0).fit(X * 1e15, y)


def test_scikit_learn_estimator_checks() -> None:
    results = check_estimator(
        MLP(hidden=(16, 8), epochs=25, learning_rate=0.05, random_state=0), on_skip=None, on_fail=None
    )
    assert [result["check_name"] for result in results if result["status"] == "failed"] == []
    assert sum(result["status"] == "passed" for result in results) >= 50
