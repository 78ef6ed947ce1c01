from __future__ import annotations

import pytest
import torch

from validkit.errors import InputError
from validkit.plnm.deep.device import seeds, stage, torch_device


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


def test_cudnn_accepts_the_flags_a_cuda_stage_sets() -> None:
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        assert torch.backends.cudnn.deterministic
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == before


def test_seeds_differ_from_each_other_and_between_states() -> None:
    assert len({*seeds(3407, 4), *seeds(3408, 4), *seeds(0, 4)}) == 12
    assert seeds(3407, 3) == seeds(3407, 3)
    for wrong in (-1, 1.5, True, None):
        with pytest.raises(InputError, match="`random_state` must be a whole number >= 0"):
            seeds(wrong, 2)
