"""Tasks on their way to another machine: packed here, carried out there, large arrays sent once.

Function and item travel pickled. Every large NumPy array in them is taken out and sent by itself,
once for all tasks that hold it; each task gets its own copy there, as it would in a process of its own.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import platform
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from cloudpickle import CloudPickler, dumps

from validkit.engine.calling_off import Stopped, remote_task
from validkit.engine.threads import hold_this_worker_to_one_thread
from validkit.errors import InputError

LARGE = 2**20  # bytes; what joblib also keeps out of its messages
KEPT = 16  # arrays whose place in the cluster is remembered; one that comes again later is sent again
DECISIVE = ("validkit", "numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "torch", "xgboost", "lightgbm")

_turn = threading.Lock()


@dataclass(frozen=True)
class Parcel:
    """One task in transit.

    function, item : pickled, without their large arrays
    arrays : the names of the large arrays, in the order in which they come along
    software : the versions that the result depends on, where the work was handed out
    """

    function: bytes
    item: bytes
    arrays: tuple[str, ...]
    software: Mapping[str, str]


class _Pickler(CloudPickler):
    """Puts a name in the place of each large array."""

    def __init__(self, stream: io.BytesIO, take_out: Callable[[np.ndarray], str]) -> None:
        super().__init__(stream)
        self._take_out = take_out

    def persistent_id(self, part: Any) -> str | None:
        """The name of a large array; None for all that travels as it is."""
        if type(part) is not np.ndarray or part.nbytes < LARGE or part.dtype.hasobject:
            return None
        return self._take_out(part)


class _Unpickler(pickle.Unpickler):
    """Puts each large array back in its place: one copy for all places of a task."""

    def __init__(self, stream: io.BytesIO, arrays: Mapping[str, bytes]) -> None:
        super().__init__(stream)
        self._arrays = arrays
        self._copies: dict[str, np.ndarray] = {}

    def persistent_load(self, name: str) -> np.ndarray:
        """The array of that name."""
        if name not in self._copies:
            self._copies[name] = pickle.loads(self._arrays[name])
        return self._copies[name]


class Packer:
    """Packs the tasks of one `map_tasks`.

    send : puts one pickled array into the cluster under a name and returns the cluster's handle of it
    """

    def __init__(self, function: Any, send: Callable[[str, bytes], Any]) -> None:
        self._send = send
        self._names: dict[int, tuple[weakref.ref[np.ndarray], str]] = {}
        self._handles: OrderedDict[str, Any] = OrderedDict()
        self._function, self._arrays = self._pickle(function)

    def pack(self, item: Any) -> tuple[Parcel, list[Any]]:
        """The parcel of one task, and the handles of the arrays that it needs."""
        pickled, arrays = self._pickle(item)
        arrays = {**self._arrays, **arrays}
        return Parcel(self._function, pickled, tuple(arrays), software()), list(arrays.values())

    def _pickle(self, thing: Any) -> tuple[bytes, dict[str, Any]]:
        found: dict[str, Any] = {}

        def take_out(array: np.ndarray) -> str:
            name = self._place(array)
            found[name] = self._handles[name]
            return name

        stream = io.BytesIO()
        _Pickler(stream, take_out).dump(thing)
        return stream.getvalue(), found

    def _place(self, array: np.ndarray) -> str:
        """The array's name; it is sent where the cluster does not hold it yet."""
        known = self._names.get(id(array))
        if known is None or known[0]() is not array or known[1] not in self._handles:
            pickled = pickle.dumps(array, protocol=pickle.HIGHEST_PROTOCOL)
            name = hashlib.sha256(pickled).hexdigest()
            self._names[id(array)] = (weakref.ref(array), name)
            if name not in self._handles:
                self._handles[name] = self._send(name, pickled)
        name = self._names[id(array)][1]
        self._handles.move_to_end(name)
        while len(self._handles) > KEPT:
            self._handles.popitem(last=False)
        return name


def carry_out(parcel: Parcel, unwanted: Callable[[], bool], *arrays: bytes) -> bytes:
    """The pickled result of one task, on the worker: one task at a time in a process, one numerical thread.

    unwanted : tells whether the work was called off
    """
    with _turn, remote_task(unwanted):
        try:
            if unwanted():
                raise Stopped
            _refuse_other_software(parcel.software)
            hold_this_worker_to_one_thread()
            named = dict(zip(parcel.arrays, arrays, strict=True))
            function, item = (_Unpickler(io.BytesIO(part), named).load() for part in (parcel.function, parcel.item))
            return dumps(function(item))
        except Stopped:
            return b""  # nobody reads it


@cache
def software() -> Mapping[str, str]:
    """Package to version, of those whose version may change a result."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in DECISIVE:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _refuse_other_software(expected: Mapping[str, str]) -> None:
    here = software()
    differing = [name for name, version in expected.items() if here.get(name, version) != version]
    other = [f"{name} {here[name]} (not {expected[name]})" for name in differing]
    if other:
        raise InputError(
            f"the worker on {platform.node()} has {', '.join(other)}: results would depend on where a task is done; "
            "install the same versions on every machine"
        )
