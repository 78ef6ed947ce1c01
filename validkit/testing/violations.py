"""What a broken law raises."""

from __future__ import annotations

__all__ = ["LawViolation"]


class LawViolation(AssertionError):
    """A law was broken; the message names it, says what it asks, and shows the smallest example found."""
