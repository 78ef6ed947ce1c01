"""The command line, called as a user would, in this process."""

from __future__ import annotations

from typing import Any

from validkit.cli import main


def command(*parts: Any) -> int:
    """What `validkit PARTS` exits with."""
    try:
        main([str(part) for part in parts])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
