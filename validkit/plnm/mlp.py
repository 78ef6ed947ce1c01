"""A small multilayer perceptron: trained by PyTorch through skorch, kept and applied as plain NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from validkit.errors import InputError, MissingExtraError, StageError
from validkit.plnm.folds import fewest, stratified_folds


class MLP(ClassifierMixin, BaseEstimator):
    """Feed-forward network with ReLU and dropout, stopped early on a stratified part of the training patients.

    Trained with Adam on the (class-weighted) cross-entropy; when the loss on the inner part has not fallen for
    `patience` epochs, training stops and the weights of the best epoch are restored. Fitting holds PyTorch to one
    thread and its own stream of chance, and leaves both as they were; prediction needs NumPy alone.

    hidden : widths of the hidden layers
    dropout : share of hidden units silenced in training
    learning_rate, weight_decay : of Adam; weight_decay is the L2 penalty
    batch_size, epochs : patients a step; epochs at most
    patience : epochs without a better inner loss before training stops
    validation : share of the patients set aside inside `fit` to decide when to stop
    class_weight : None, "balanced" for weights inverse to class frequency, or {class: weight}
    Learned: `classes_`, `weights_` and `biases_` (lists of float64 arrays), `best_epoch_`, `n_epochs_`, and per epoch
    `train_loss_`, `validation_loss_`.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (32, 16),
        *,
        dropout: float = 0.3,
        learning_rate: float = 0.003,
        weight_decay: float = 1e-4,
        batch_size: int = 64,
        epochs: int = 200,
        patience: int = 10,
        validation: float = 0.2,
        class_weight: Literal["balanced"] | dict[Any, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: np.ndarray | None = None) -> MLP:
        """X : (n, p) finite, best standardised; y : (n,) class labels, two classes or more, two patients of each.

        groups : (n,) rows of one group are all learnt from, or all used to decide when to stop
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        counts = np.bincount(encoded)
        if counts.size < 2:
            raise InputError(f"MLP needs at least two classes; y holds one class, {self.classes_[0]}")
        if counts.min() < 2:
            raise InputError(
                f"MLP needs at least 2 patients of each class, one to learn from and one to decide when to stop; "
                f"class {self.classes_[counts.argmin()]} has {counts.min()}"
            )
        chance = check_random_state(self.random_state)
        seeds = chance.randint(0, 2**31 - 1, size=2).tolist()
        training, inner = self._inner_split(encoded, seeds[0], groups)
        layers, history = self._train(X.astype(np.float32), encoded, training, inner, seeds[1])
        self.weights_ = [weight.T.astype(np.float64) for weight, _ in layers]
        self.biases_ = [bias.astype(np.float64) for _, bias in layers]
        if not all(np.isfinite(values).all() for values in (*self.weights_, *self.biases_)):
            raise StageError("training of the MLP diverged: standardise the features or lower learning_rate")
        self.train_loss_ = [float(epoch["train_loss"]) for epoch in history]
        self.validation_loss_ = [float(epoch["valid_loss"]) for epoch in history]
        self.n_epochs_ = len(history)
        self.best_epoch_ = int(np.argmin(self.validation_loss_)) + 1
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """(n, number of classes) float64; columns as `classes_`."""
        check_is_fitted(self, "weights_")
        layer = validate_data(self, X, dtype=np.float64, reset=False)
        for weight, bias in zip(self.weights_[:-1], self.biases_[:-1], strict=True):
            layer = np.maximum(layer @ weight + bias, 0.0)
        return softmax(layer @ self.weights_[-1] + self.biases_[-1], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """(n,) the more probable class; the first of equals."""
        most = np.argmax(self.predict_proba(X), axis=1)
        return self.classes_[most]

    def _inner_split(self, y: np.ndarray, seed: int, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Positions to learn from and to stop by, both outcomes in each."""
        if groups is not None:
            folds = max(2, min(round(1 / self.validation), fewest(y, groups)))
            return stratified_folds(y, folds, seed, "early stopping of the MLP", groups)[0]
        classes = np.bincount(y).size
        size = int(np.clip(round(self.validation * y.size), classes, y.size - classes))
        splitter = StratifiedShuffleSplit(1, test_size=size, random_state=seed)
        return next(splitter.split(np.zeros(y.size), y))

    def _train(
        self, X: np.ndarray, y: np.ndarray, training: np.ndarray, inner: np.ndarray, seed: int
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], Any]:
        """Weights and biases of each layer at the best epoch, and the history of losses."""
        torch, skorch = _torch_and_skorch()
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[y]).astype(np.float32)
        with _own_torch(torch, seed):
            net = skorch.NeuralNetClassifier(
                _network(torch, [X.shape[1], *self.hidden, self.classes_.size], self.dropout),
                criterion=torch.nn.CrossEntropyLoss,
                criterion__weight=torch.from_numpy(weights),
                optimizer=torch.optim.Adam,
                optimizer__weight_decay=self.weight_decay,
                lr=self.learning_rate,
                max_epochs=self.epochs,
                batch_size=min(self.batch_size, training.size),
                iterator_train=Batches,
                iterator_train__shuffle=True,
                iterator_valid=Batches,
                train_split=skorch.helper.predefined_split(skorch.dataset.Dataset(X[inner], y[inner])),
                callbacks=[
                    skorch.callbacks.EarlyStopping(patience=self.patience, threshold=0.0, load_best=True, sink=_silent)
                ],
                callbacks__print_log=None,
                callbacks__valid_acc=None,
                classes=np.arange(self.classes_.size),
                verbose=0,
                device="cpu",
            )
            net.fit(X[training], y[training])
            linear = [layer for layer in net.module_ if isinstance(layer, torch.nn.Linear)]
            layers = [(layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()) for layer in linear]
        return layers, net.history


class Batches:
    """Batches cut from whole tensors: a few hundred patients need no loader that fetches them one by one."""

    def __init__(self, dataset: Any, batch_size: int, shuffle: bool = False) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import torch

        X, y = torch.as_tensor(self.dataset.X), torch.as_tensor(self.dataset.y)
        order = torch.randperm(len(X)) if self.shuffle else torch.arange(len(X))
        for part in order.split(self.batch_size):
            yield X[part], y[part]


def _silent(*_: Any) -> None:
    """Where early stopping would print."""


def _network(torch: Any, widths: Sequence[int], dropout: float) -> Any:
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(widths[:-1]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU(), torch.nn.Dropout(dropout)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-2], widths[-1]))


@contextmanager
def _own_torch(torch: Any, seed: int) -> Iterator[None]:
    """One thread and a stream of chance of one's own; the process gets both back as they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _torch_and_skorch() -> tuple[Any, Any]:
    purpose = "the multilayer perceptron"
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "models", purpose) from error
    try:
        import skorch
        import skorch.callbacks
        import skorch.dataset
        import skorch.helper
    except ImportError as error:
        raise MissingExtraError("skorch", "models", purpose) from error
    return torch, skorch
