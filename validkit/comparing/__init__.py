"""What differs between finished runs: in protocol, in data, in every number, and patient by patient where they pair."""

from __future__ import annotations

from validkit.comparing.comparison import compare_runs
from validkit.comparing.reading import Finished, read_finished

__all__ = ["Finished", "compare_runs", "read_finished"]
