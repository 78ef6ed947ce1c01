"""The README's picture: the first screen of a run's report, as headless Chromium shows it.

Needs `chromium` on the PATH (Debian: apt-get install chromium).
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a run folder, such as runs/heart")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/report.png"))
    parser.add_argument("--size", default="1280,1000", help="width,height in pixels")


def run(options: argparse.Namespace) -> int:
    page = (options.folder / "report.html").resolve(strict=True).as_uri()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", f"--window-size={options.size}"]
        command += [f"--screenshot={options.out.resolve()}", page]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    print(options.out)
    return 0
