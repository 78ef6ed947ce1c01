"""One training in two processes, with gloo on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

from tests.plnm.deep.test_training import fitting, table
from validkit.plnm.deep.ranks import Ranks, ranks_here, start_ranks
from validkit.plnm.deep.sampling import batches
from validkit.plnm.deep.training import train

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = {"epochs": 3, "batch_size": 7}


def smooth(seed: int = 0) -> nn.Module:
    """Without batch statistics and without chance, a step of two halves is the step of the whole."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=ROOT)


def test_two_processes_learn_what_one_learns(tmp_path) -> None:
    x, y = table(61)
    alone = smooth()
    expected = train(fitting(alone, x, y, **SETTINGS))
    done = torchrun(str(Path(__file__)), str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for value, own in zip(found["weights"], alone.state_dict().values(), strict=True):
            torch.testing.assert_close(value, own, atol=1e-5, rtol=1e-5)
        curve = [[epoch.train_loss, epoch.validation_loss, epoch.validation_auc] for epoch in expected.curve]
        np.testing.assert_allclose(found["curve"], curve, rtol=1e-4)
        assert found["best"] == expected.best_epoch
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True)["weights"] for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_network_is_fitted_through_torchrun(make_bank, outcome, tmp_path) -> None:
    make_bank(24).save(tmp_path / "bank")
    np.save(tmp_path / "y.npy", outcome(24))
    bank, y, out = (str(tmp_path / name) for name in ("bank", "y.npy", "out"))
    settings = ["--backbone", "resnet50", "--weights", "none", "--device", "cpu", "--threads", "1"]
    settings += ["--epochs", "2", "--batch-size", "8"]
    done = torchrun("-m", "validkit.plnm.deep.launch", bank, y, "--out", out, *settings)
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads((tmp_path / "out/training.json").read_text())
    assert facts["processes"] == 2
    assert len(facts["curve"]) == 2
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["network.pt", "training.json"]
    assert all(value.isfinite().all() for value in torch.load(tmp_path / "out/network.pt", weights_only=True).values())


def test_shares_are_everything_once_and_no_process_gets_a_single_row() -> None:
    rows = torch.arange(11)
    shares = [Ranks(rank, 3).share(rows) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == list(range(11))
    for n in range(4, 60):
        assert all(len(batch) >= 4 for batch in batches(n, 8, least=4))
    assert ranks_here() == Ranks()
    assert not Ranks().several
    with pytest.raises((RuntimeError, ValueError)):
        start_ranks(torch.device("cpu"))


def main(folder: Path) -> None:
    """What torchrun starts for `test_two_processes_learn_what_one_learns`."""
    torch.set_num_threads(1)
    ranks = start_ranks(torch.device("cpu"))
    x, y = table(61)
    module = smooth(seed=ranks.rank)  # the first process's weights are everybody's
    done = train(fitting(module, x, y, **SETTINGS))
    curve = [[epoch.train_loss, epoch.validation_loss, epoch.validation_auc] for epoch in done.curve]
    found = {"weights": list(module.state_dict().values()), "curve": curve, "best": done.best_epoch}
    torch.save(found, folder / f"{ranks.rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
