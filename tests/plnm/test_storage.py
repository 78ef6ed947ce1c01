from __future__ import annotations

import hashlib
import inspect
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.archives import packed, unpacked
from validkit.errors import InputError, MissingExtraError
from validkit.plnm import classifiers, storage
from validkit.plnm.fusion import FusionSelector
from validkit.plnm.selection import FeatureSelection, LassoSelector, MannWhitneyFilter, SpearmanFilter
from validkit.plnm.storage import dump_estimator, load_estimator

for package in ("skops", "xgboost", "lightgbm", "torch", "skorch"):
    pytest.importorskip(package, reason="fitted classifiers and their storage need the extra 'models'")


def table(n: int = 60, p: int = 5) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (rng.random(n) < 0.4).astype(int)
    X = pd.DataFrame(rng.normal(size=(n, p)) + y[:, None], columns=[f"f{j}" for j in range(p)])
    return X, y


def fitted(name: str) -> tuple[Pipeline, pd.DataFrame]:
    X, y = table()
    return classifiers.make_classifier(name, random_state=0).fit(X, y), X


@pytest.mark.parametrize("name", classifiers.CLASSIFIERS)
@pytest.mark.parametrize("candidate", [0, -1], ids=["first", "last"])
def test_every_classifier_returns_with_identical_predictions(name: str, candidate: int) -> None:
    X, y = table()
    chosen = classifiers._resolved(classifiers.grid(name)[candidate], y)
    model = classifiers._with(classifiers.make_classifier(name, random_state=0), chosen).fit(X, y)
    data = dump_estimator(model)
    back = load_estimator(data)
    assert classifiers.probability(back, X).tobytes() == classifiers.probability(model, X).tobytes()
    assert np.array_equal(back.predict(X), model.predict(X))
    assert list(back.feature_names_in_) == list(X.columns)
    assert repr(back.named_steps["model"].get_params()) == repr(model.named_steps["model"].get_params())
    assert dump_estimator(model) == data
    assert dump_estimator(back) == data


def test_a_loaded_classifier_can_be_cross_fitted_again() -> None:
    X, y = table()
    for name in ("svm", "xgboost", "lightgbm"):
        model = classifiers.make_classifier(name, random_state=0).fit(X, y)
        again = load_estimator(dump_estimator(model))
        ours, theirs = (classifiers.cross_fitted(m, X, y, folds=3, random_state=0) for m in (again, model))
        assert np.array_equal(ours, theirs)


def test_selectors_return_with_their_records() -> None:
    X, y = table(n=120, p=12)
    steps = [MannWhitneyFilter(alpha=0.5), SpearmanFilter(), LassoSelector(folds=3, random_state=0)]
    for selector in (FeatureSelection(steps), FusionSelector(3, 2, deep_prefix="f1")):
        selector.fit(X, y)
        back = load_estimator(dump_estimator(selector))
        assert back.record() == selector.record()
        assert np.array_equal(back.transform(X), selector.transform(X))


def test_bytes_depend_on_the_estimator_alone_not_on_the_process() -> None:
    """Another process has other addresses and other stray memory between the fields of a tree's nodes."""
    names = ("extra-trees", "lightgbm")
    code = f"""
import hashlib, numpy as np, pandas as pd
from validkit.plnm import classifiers
from validkit.plnm.storage import dump_estimator
{inspect.getsource(table)}
{inspect.getsource(fitted)}
print([hashlib.sha256(dump_estimator(fitted(name)[0])).hexdigest() for name in {names}])
"""
    code = code.replace("-> tuple[pd.DataFrame, np.ndarray]", "").replace("-> tuple[Pipeline, pd.DataFrame]", "")
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert there == str([hashlib.sha256(dump_estimator(fitted(name)[0])).hexdigest() for name in names])


# --- what is refused -------------------------------------------------------------------------


def edited(data: bytes, old: str, new: str) -> bytes:
    parts = unpacked(data)
    schema = parts["schema.json"].decode()
    assert old in schema
    return packed({**parts, "schema.json": schema.replace(old, new).encode()})


def shout(X: np.ndarray) -> np.ndarray:
    raise AssertionError("a stored function was run")


def test_a_function_is_refused_when_stored_and_when_received() -> None:
    sneaky = Pipeline([("scale", FunctionTransformer(shout)), ("model", StandardScaler())])
    with pytest.raises(InputError, match=r"types that validkit does not trust.*FunctionTransformer"):
        dump_estimator(sneaky)
    import skops.io

    received = skops.io.dumps(sneaky)
    with pytest.raises(InputError, match=r"so it was not loaded.*shout"):
        load_estimator(received)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '"__class__":"StandardScaler","__module__":"sklearn.preprocessing._data"',
            '"__class__":"system","__module__":"os"',
        ),
        ('"__loader__":"ListNode"', '"__loader__":"ReduceNode"'),
        ('"__class__":"LogisticRegression"', '"__class__":"LogisticRegressionCV"'),
        ('"__class__":"list"', '"__class__":"eval"'),
    ],
)
def test_types_and_loaders_off_the_list_are_refused_before_anything_is_built(old: str, new: str) -> None:
    model, _ = fitted("lr")
    with pytest.raises(InputError, match="holds types that validkit does not trust"):
        load_estimator(edited(dump_estimator(model), old, new))


def test_the_trusted_list_names_what_exists_and_nothing_general() -> None:
    for name in storage.TRUSTED["ObjectNode"]:
        module, _, kind = name.rpartition(".")
        assert hasattr(__import__(module, fromlist=[kind]), kind), name
    everything = set().union(*storage.TRUSTED.values())
    assert not any(
        word in name for name in everything for word in ("eval", "exec", "getattr", "import", "os.", "Function")
    )
    assert set(storage.TRUSTED) == {
        "JsonNode", "DictNode", "DefaultDictNode", "ListNode", "TupleNode", "BytearrayNode", "NdArrayNode", "TypeNode",
        "TreeNode", "ObjectNode",
    }  # fmt: skip


def test_damaged_or_foreign_bytes_are_refused() -> None:
    model, _ = fitted("lr")
    data = dump_estimator(model)
    for bad, message in (
        (b"", "this is no stored estimator"),
        (b"PK" + data[2:40], "this is no stored estimator"),
        (b"\x80\x04\x95pickle", "this is no stored estimator"),
        (packed({"other.json": b"{}"}), "this is no stored estimator: KeyError"),
        (packed({"schema.json": b"{"}), "no readable schema.json"),
        (packed({"schema.json": b"[1]"}), "holds no object"),
        (packed({"schema.json": b"[" * 100_000}), "no readable schema.json"),
        (packed({"schema.json": unpacked(data)["schema.json"]}), "the stored estimator is damaged: KeyError"),
        ("text", "must be bytes; got str"),
    ):
        with pytest.raises(InputError, match=message):
            load_estimator(bad)
    flipped = bytearray(data)
    flipped[len(data) // 3] ^= 0xFF
    with pytest.raises(InputError):
        load_estimator(bytes(flipped))


def test_an_archive_that_would_unpack_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = fitted("lr")
    data = dump_estimator(model)
    monkeypatch.setattr(storage, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"would unpack to .* at most 100000 and 1000 are read"):
        load_estimator(data)
    monkeypatch.setattr(storage, "MAX_BYTES", 2**30)
    monkeypatch.setattr(storage, "MAX_MEMBERS", 2)
    with pytest.raises(InputError, match="members and"):
        load_estimator(data)


def test_a_tree_that_leads_out_of_memory_is_refused() -> None:
    model, _ = fitted("random-forest")
    parts = unpacked(dump_estimator(model))
    for field, value in (("left_child", 10**6), ("right_child", 0), ("feature", 999)):
        broken = dict(parts)
        for name, content in parts.items():
            array = np.load(io.BytesIO(content)) if name.endswith(".npy") else np.zeros(0)
            if array.dtype.names and len(array) > 1:
                array = array.copy()
                array[field][0] = value
                buffer = io.BytesIO()
                np.save(buffer, array)
                broken[name] = buffer.getvalue()
                break
        with pytest.raises(InputError, match="damaged decision tree: 1 nodes lead nowhere"):
            load_estimator(packed(broken))


def test_missing_skops_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingExtraError, match=r"needs skops, .* pip install 'validkit\[models\]'"):
        load_estimator(b"")


def test_the_archive_holds_no_pickle_and_no_time() -> None:
    model, _ = fitted("svm")
    data = dump_estimator(model)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                np.load(io.BytesIO(archive.read(entry)), allow_pickle=False)
            else:
                json.loads(archive.read(entry))
