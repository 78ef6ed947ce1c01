"""What a fit learnt, collected copy by copy while it is made; a model that cannot be locked is no failed fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from validkit.bundle.parts import IMPUTER
from validkit.errors import InputError

__all__ = ["Locking"]


class Locking:
    """Collects `files` of each of `copies` completed copies where `wanted`; `why` says why there are none."""

    def __init__(self, wanted: bool, copies: int) -> None:
        self.wanted = wanted
        self.copies = copies
        self.files: dict[str, bytes] = {}
        self.why = ""

    def plnm(self, model: Any, copy: int, imputer: Any) -> None:
        """Take a PLNM model, fitted to a completed copy; imputer : of the clinical columns, or None."""

        def files() -> dict[str, bytes]:
            from validkit.plnm.locked import locked_files
            from validkit.tabular.locked_imputer import imputer_bytes

            found = locked_files(model, copy, self.copies)
            return found | ({IMPUTER: imputer_bytes(imputer)} if imputer is not None and copy == 1 else {})

        self._take(files)

    def table(self, model: Any, copy: int) -> None:
        """Take estimators, fitted to a completed copy."""

        def files() -> dict[str, bytes]:
            from validkit.tabular.locked import locked_files

            return locked_files(model, copy, self.copies)

        self._take(files)

    @property
    def notes(self) -> list[dict[str, str]]:
        """Why there is no locked model, as a note of the run."""
        return [{"severity": "note", "stage": "bundle", "text": f"no bundle: {self.why}"}] if self.why else []

    def _take(self, files: Callable[[], dict[str, bytes]]) -> None:
        if not self.wanted or self.why:
            return
        try:
            self.files |= files()
        except InputError as error:
            self.files, self.why = {}, str(error)
