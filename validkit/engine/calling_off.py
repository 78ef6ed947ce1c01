"""Work that is called off: a task on a cluster whose result nobody waits for any more stops where it may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_unwanted: ContextVar[Callable[[], bool] | None] = ContextVar("unwanted", default=None)


class Stopped(BaseException):
    """Ends a task that was called off; no `except Exception` on the way holds it up."""


@contextmanager
def remote_task(unwanted: Callable[[], bool]) -> Iterator[None]:
    """What runs inside is a task on a cluster; `unwanted` tells whether it was called off."""
    token = _unwanted.set(unwanted)
    try:
        yield
    finally:
        _unwanted.reset(token)


def no_longer_wanted() -> bool:
    """Whether this is part of a task that was called off."""
    unwanted = _unwanted.get()
    return unwanted is not None and unwanted()


def within_a_remote_task() -> bool:
    """Whether this runs inside a task on a cluster."""
    return _unwanted.get() is not None
