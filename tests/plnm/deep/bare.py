"""The whole core at work, with torch, torchvision and NumPy alone: `tox run -e core` runs this on nothing else."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

CORE = Path(__file__).resolve().parents[3] / "validkit" / "plnm" / "deep"
ABSENT = {
    "SimpleITK",
    "filelock",
    "joblib",
    "matplotlib",
    "pandas",
    "pydantic",
    "radiomics",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "statsmodels",
    "threadpoolctl",
}


def core_modules() -> list[str]:
    """Every module below the estimator."""
    return sorted(path.stem for path in CORE.glob("*.py") if path.stem not in ("__init__", "estimator"))


def main() -> None:
    """Import everything; cut, train with a checkpoint, embed, reduce and explain; look at what was loaded."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    deep = {name: importlib.import_module(f"validkit.plnm.deep.{name}") for name in core_modules()}
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 40), bool)
    mask[8:30, 8:30] = True
    lesions = [(rng.uniform(0, 255, (40, 40)), mask) for _ in range(12)]
    cpu, y = torch.device("cpu"), np.arange(12) % 2
    with tempfile.TemporaryDirectory() as folder:
        deep["cutting"].build_bank(lesions, image_size=32, margin=0.15).save(Path(folder) / "bank")
        bank = deep["bank"].ImageBank.from_folder(Path(folder) / "bank")
        training, validation = deep["sampling"].inner_split(y, 0.2, 0)
        crops = deep["crops"].Crops(bank, deep["augment"].Augmentation(), cpu)
        schedule = deep["training"].Schedule(epochs=1, batch_size=10)
        checkpoint = deep["checkpoint"].Checkpoint(Path(folder) / "epoch.pt", "bare")
        with deep["device"].stage(cpu, seed=0, threads=1):
            network = deep["backbones"].build_network("resnet50", deep["weights"].Source("none"), 32)
            fit = deep["training"].Fit(
                network, crops, y, training, validation, schedule, 0, "net", checkpoint=checkpoint
            )
            deep["training"].train(fit)
            checkpoint.write({"epoch": 1})
            assert checkpoint.read() == {"epoch": 1}
            table = deep["embedding"].infer(network, bank, device=cpu).embedding
            assert deep["pca"].ExactPCA(3).fit_transform(table).shape == (12, 3)
            assert deep["saliency"].saliency_maps(network, bank, device=cpu).shape == (12, 32, 32)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    loaded = sorted(ABSENT & set(sys.modules))
    assert not loaded, f"loaded {loaded}"
    print("done")


if __name__ == "__main__":
    main()
