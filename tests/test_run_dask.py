"""A whole protocol through a Dask cluster of two worker processes, one of which is killed half way."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs the dask extra")

from tests.clusters import dask_cluster
from tests.test_adversity import TEXT, same
from validkit.protocol import parse_protocol
from validkit.run import run_protocol

SLOWER = TEXT.replace(
    'estimator = "sklearn.linear_model.LogisticRegression"',
    'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 400 }',
)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_protocol_survives_the_loss_of_a_worker_with_the_same_bytes(tmp_path: Path) -> None:
    protocol = parse_protocol(SLOWER)
    alone = run_protocol(protocol, out=tmp_path / "alone", engine="sequential")
    out = tmp_path / "cluster"
    with dask_cluster(workers=2) as (address, workers):
        units, killed = out / "tasks" / "units", []

        def kill_half_way() -> None:
            for _ in range(6000):
                if units.is_dir() and len(list(units.glob("*/record.json"))) >= 2:
                    os.kill(workers[0], signal.SIGKILL)
                    killed.append(workers[0])
                    return
                time.sleep(0.01)

        killer = threading.Thread(target=kill_half_way)
        killer.start()
        run_protocol(protocol, out=out, engine=f"dask:{address}", cohort=alone / "phantom")
        killer.join()
    assert len(killed) == 1
    assert same(out, alone)
