"""The GPU core runs on a machine with torch, torchvision and numpy alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import validkit.plnm.deep as package

CORE = sorted(
    path.stem for path in Path(package.__file__).parent.glob("*.py") if path.stem not in ("__init__", "estimator")
)

BEFORE = "import sys, torch\nthreads, state = torch.get_num_threads(), torch.get_rng_state()\n"

AFTER = """
absent = {"sklearn", "pandas", "joblib", "scipy", "pydantic", "SimpleITK", "radiomics", "matplotlib", "threadpoolctl",
          "safetensors", "statsmodels"}
loaded = sorted(absent & set(sys.modules))
assert not loaded, f"loaded {loaded}"
print("done")
"""

RUN = """
import numpy as np
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.cutting import build_bank
from validkit.plnm.deep.device import stage, torch_device
from validkit.plnm.deep.embedding import infer
from validkit.plnm.deep.pca import ExactPCA
from validkit.plnm.deep.crops import Crops
from validkit.plnm.deep.sampling import inner_split
from validkit.plnm.deep.training import Fit, Schedule, train
from validkit.plnm.deep.weights import Source
rng = np.random.default_rng(0)
mask = np.zeros((40, 40), bool); mask[8:30, 8:30] = True
bank = build_bank([(rng.uniform(0, 255, (40, 40)), mask) for _ in range(12)], image_size=32, margin=0.15)
y = np.arange(12) % 2
device = torch_device("cpu")
training, validation = inner_split(y, 0.2, 0)
with stage(device, seed=0, threads=1):
    network = build_network("resnet50", Source("none"), 32)
    train(Fit(network, Crops(bank, Augmentation(), device), y, training, validation, Schedule(epochs=1, batch_size=10),
              seed=0, label="net"))
    assert ExactPCA(3).fit_transform(infer(network, bank, device=device).embedding).shape == (12, 3)
assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
"""


def test_everything_below_the_estimator_is_covered() -> None:
    assert {"augment", "backbones", "bank", "device", "embedding", "pca", "saliency", "training"} <= set(CORE)


@pytest.mark.parametrize("script", ["".join(f"import validkit.plnm.deep.{name}\n" for name in CORE), RUN])
def test_the_core_needs_torch_torchvision_and_numpy_alone(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + script + AFTER], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "done\n"
