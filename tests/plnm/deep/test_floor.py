"""The GPU core runs on a machine with torch, torchvision and numpy alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.plnm.deep import bare


def test_everything_below_the_estimator_is_covered() -> None:
    assert {"augment", "backbones", "bank", "device", "embedding", "pca", "saliency", "training"} <= set(
        bare.core_modules()
    )
    assert "estimator" not in bare.core_modules()


def test_the_core_needs_torch_torchvision_and_numpy_alone() -> None:
    root = str(bare.CORE.parents[2])
    done = subprocess.run(
        [sys.executable, str(Path(bare.__file__))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "done\n"
