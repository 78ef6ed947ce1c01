from __future__ import annotations

import os

import pytest
import torch

from validkit.errors import InputError
from validkit.plnm.deep.device import WORKSPACE, algorithms, seeds, stage, torch_device


def test_auto_takes_what_there_is() -> None:
    assert torch_device("cpu") == torch.device("cpu")
    assert torch_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"device 'cuda:99' is not on this machine \(\d+ CUDA devices\); use cpu"):
        torch_device("cuda:99")
    for wrong in ("gpu", "cpu:1", "cuda:x", "cuda:", "auto:0", ""):
        with pytest.raises(InputError, match="device must be auto, cpu, cuda or cuda:N"):
            torch_device(wrong)


def test_a_stage_leaves_threads_and_generators_as_they_were() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with stage(torch.device("cpu"), seed=1, threads=3):
        assert torch.get_num_threads() == 3
        first = torch.rand(2)
    assert torch.get_num_threads() == 1
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
    with stage(torch.device("cpu"), seed=1):
        torch.testing.assert_close(torch.rand(2), first, atol=0, rtol=0)


def test_a_stage_that_fails_also_puts_things_back() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="cannot be multiplied"), stage(torch.device("cpu"), seed=1, threads=2):
        torch.rand(4) @ torch.rand(3, 4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 1


def settings() -> dict[str, object]:
    return {
        "benchmark": torch.backends.cudnn.benchmark,
        "cudnn": torch.backends.cudnn.deterministic,
        "torch": torch.are_deterministic_algorithms_enabled(),
        "warns": torch.is_deterministic_algorithms_warn_only_enabled(),
        "fills": torch.utils.deterministic.fill_uninitialized_memory,
    }


@pytest.mark.parametrize("deterministic", [True, False])
def test_algorithms_are_chosen_as_asked_and_put_back(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    before = settings()
    with algorithms(not deterministic), algorithms(deterministic):
        found = settings()
        assert (found["benchmark"], found["cudnn"], found["torch"]) == (not deterministic, deterministic, deterministic)
        assert (found["warns"], found["fills"]) == (False, False)
    assert settings() == before
    assert os.environ.pop(WORKSPACE) == ":4096:8"


def test_a_workspace_that_is_set_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, ":16:8")
    with algorithms(True):
        assert os.environ[WORKSPACE] == ":16:8"


def test_seeds_differ_from_each_other_and_between_states() -> None:
    assert len({*seeds(3407, 4), *seeds(3408, 4), *seeds(0, 4)}) == 12
    assert seeds(3407, 3) == seeds(3407, 3)
    for wrong in (-1, 1.5, True, None):
        with pytest.raises(InputError, match="`random_state` must be a whole number >= 0"):
            seeds(wrong, 2)
