"""The errors a user can mend. Each message says what is wrong, where, and what to do."""

from __future__ import annotations


class ValidkitError(Exception):
    """Base of every error that validkit raises on purpose."""


class InputError(ValidkitError, ValueError):
    """Bad input: which argument, column, file or row, what was expected, and the mend."""


class StageError(ValidkitError, RuntimeError):
    """A stage that cannot be carried out on these data; the message says which and why."""


class MissingExtraError(ValidkitError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.parts = (package, extra, purpose)
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'validkit[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """Errors cross process borders by being made again from their parts."""
        return type(self), self.parts
