"""What is listed of a peer: how it is called, what is wrong with an answer, and the law that tells it."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

__all__ = ["ByHand", "Called", "Case", "quietly", "refusing", "said", "version_of"]

NEVER = "never returns"


@dataclass(frozen=True)
class Called:
    """A peer's public function, called as its documentation says.

    peer : the name under which it is installed; what : the call, as a user writes it
    adapter, kind, facts : what `validkit.testing.check_metric` is given
    not_asked : laws that cannot be put to it through this adapter, and why
    """

    peer: str
    what: str
    adapter: Callable[..., Any]
    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    not_asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """The installed version, None where there is none."""
        return version_of(self.peer)


@dataclass(frozen=True)
class Case:
    """A misbehaviour that a law finds.

    why : what a biostatistician objects to
    snippet : shows it with the peer alone; prints : what the snippet prints while the peer misbehaves
    """

    called: Called
    law: str
    why: str
    snippet: str
    prints: str

    @property
    def peer(self) -> str:
        """The name under which the peer is installed."""
        return self.called.peer

    @property
    def what(self) -> str:
        """The call, as a user writes it."""
        return self.called.what

    @property
    def version(self) -> str | None:
        """The installed version, None where there is none."""
        return self.called.version

    def message(self, examples: int | None = None) -> str:
        """The kit's words with the smallest counterexample; "" where the law is kept."""
        from validkit.testing import check_metric

        report = check_metric(
            self.called.adapter, kind=self.called.kind, laws=[self.law], examples=examples, raise_on_failure=False,
            **self.called.facts,
        )  # fmt: skip
        return "".join(one.message for one in report.failed)


@dataclass(frozen=True)
class ByHand:
    """A misbehaviour that no law of the kit tells yet: a reading of the peer and a snippet found it."""

    peer: str
    what: str
    why: str
    snippet: str
    prints: str

    @property
    def version(self) -> str | None:
        """The installed version, None where there is none."""
        return version_of(self.peer)


def version_of(peer: str) -> str | None:
    """The installed version of a package, None where there is none."""
    try:
        return metadata.version(peer)
    except metadata.PackageNotFoundError:
        return None


def said(snippet: str, *, seconds: float | None = None) -> str:
    """What a snippet prints, and NEVER where a process of its own had to be stopped after `seconds`."""
    if seconds is not None:
        return _said_apart(snippet, seconds)
    printed = io.StringIO()
    with quietly(), contextlib.redirect_stdout(printed):
        exec(snippet, {"__name__": "snippet"})
    return printed.getvalue().strip()


def _said_apart(snippet: str, seconds: float) -> str:
    command = [sys.executable, "-W", "ignore", "-c", snippet]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False).stdout.strip()
    except subprocess.TimeoutExpired as stopped:
        printed = stopped.stdout or b""
        return f"{printed.decode() if isinstance(printed, bytes) else printed}{NEVER}".replace("\n", ", then ")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Neither warnings nor progress bars."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def refusing(call: Callable[[], Any]) -> Any:
    """The answer to a call without its progress bar; whatever it raises is a refusal, as a ValueError."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return call()
        except ValueError:
            raise
        except Exception as refusal:
            raise ValueError(f"{type(refusal).__name__}: {refusal}") from refusal
