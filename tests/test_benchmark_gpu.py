"""The benchmark of the deep core in its small form: whether it runs and what it records, never how fast it is."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the deep extra")

from benchmarks import gpu, roofline
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.weights import Source

RUN = """
import sys
from benchmarks.__main__ import main
main(["gpu", "--device", "cpu", "--small", "--json", sys.argv[1]])
absent = {"sklearn", "pandas", "joblib", "scipy", "pydantic", "SimpleITK", "rich", "matplotlib", "safetensors"}
assert not absent & set(sys.modules), sorted(absent & set(sys.modules))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("benchmark") / "gpu.json"
    command = [sys.executable, "-c", RUN, str(path)]
    root = Path(gpu.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


def test_on_a_cpu_it_says_so_and_holds_no_gpu_figure(measured: tuple[dict, str]) -> None:  # type: ignore[type-arg]
    record, said = measured
    assert "no CUDA device: the figures are those of this CPU, and none is a GPU's" in said
    assert record["machine"]["device"] == "cpu"
    assert "cuda" not in record["machine"]
    for row in record["parts"]["steady"]:
        assert row["peak_bytes"] is None
        assert row["joules_per_image"] is None


def test_every_part_is_measured_beside_its_peer(measured: tuple[dict, str]) -> None:  # type: ignore[type-arg]
    record, _ = measured
    assert list(record["parts"]) == list(gpu.PARTS)
    assert {(row["work"], row["precision"]) for row in record["parts"]["steady"]} == {
        (work, precision) for work in ("train", "embed") for precision in ("fp32", "bf16")
    }
    for row in record["parts"]["steady"]:
        assert row["images_per_second"] == pytest.approx(row["batch"] / row["seconds"])
        assert row["share_of_limit"] == pytest.approx(row["at_limit"] / row["seconds"])
    for part in ("paper", "embedding", "together", "forward"):
        for row in record["parts"][part]:
            assert row["ratio"] > 0
            assert len(row["ours"]) == len(row["theirs"]) >= 1
            assert row["required"] is None, "what is asked for is asked of a GPU"
    table = gpu.markdown(record)
    assert table.count("\n| ") == len(record["parts"]["steady"]) + 4 + 1


def test_the_limit_is_the_larger_of_arithmetic_and_memory_layer_by_layer() -> None:
    import torch

    network = build_network("resnet50", Source("none"), 224)
    layers = roofline.layers_of(network, 224, torch.device("cpu"))
    forward = roofline.operations(layers, 1, train=False)
    assert forward == pytest.approx(2 * 4.09e9, rel=0.02), "He et al. 2016: 4.1e9 multiply-adds for ResNet50"
    assert roofline.operations(layers, 2, train=True) == pytest.approx(6 * forward)
    endless = roofline.Rates(math.inf, 1.0), roofline.Rates(1.0, math.inf)
    memory, arithmetic = (roofline.limit(layers, r, "bf16", 8, 224, train=False) for r in endless)
    both = roofline.limit(layers, roofline.Rates(1.0, 1.0), "bf16", 8, 224, train=False)
    assert arithmetic == pytest.approx(8 * forward)
    assert max(memory, arithmetic) <= both <= memory + arithmetic
    assert roofline.limit(layers, endless[0], "fp32", 8, 224, train=False) > 1.8 * memory
    assert roofline.limit(layers, endless[1], "bf16", 8, 224, train=True) < 3 * arithmetic, "crops need no gradient"
