from __future__ import annotations

import numpy as np
import pytest
import torch

from validkit.errors import InputError, StageError
from validkit.plnm.deep import embedding as module
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.embedding import check_bank, in_batches, infer
from validkit.plnm.deep.weights import find_weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("efficientnet-lite0", find_weights("efficientnet-lite0", "imagenet"), 32)


def test_a_patients_numbers_do_not_depend_on_who_else_is_in_the_bank(network, make_bank) -> None:
    bank = make_bank(21)
    together = infer(network, bank, device=CPU, embedding="flatten")
    assert together.logits.dtype == together.embedding.dtype == np.float32
    assert together.embedding.shape == (21, 1280)
    for rows in ([0], [20], [5, 17, 3], list(range(16, 21))):
        alone = infer(network, bank.take(rows), device=CPU, embedding="flatten")
        assert alone.logits.tobytes() == together.logits[rows].tobytes()
        assert alone.embedding.tobytes() == together.embedding[rows].tobytes()


def test_pooled_and_flat_embeddings_belong_to_the_same_map(network, make_bank) -> None:
    from validkit.plnm.deep.augment import centre

    bank = make_bank(3)
    pooled, flat = (infer(network, bank, device=CPU, embedding=kind) for kind in ("pooled", "flatten"))
    assert pooled.logits.tobytes() == flat.logits.tobytes()
    with torch.no_grad():
        maps = network.eval().features(centre(torch.from_numpy(bank.images), 32)).numpy()
    np.testing.assert_allclose(flat.embedding, maps.reshape(3, -1), atol=1e-4)
    np.testing.assert_allclose(pooled.embedding, maps.mean(axis=(2, 3)), atol=1e-4)


def test_evaluation_mode_is_set_and_nothing_is_learned(network, make_bank) -> None:
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    infer(network, make_bank(4), device=CPU)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_an_empty_bank_gives_empty_tables(network, make_bank) -> None:
    found = infer(network, make_bank(0), device=CPU)
    assert found.logits.shape == (0,)
    assert found.embedding.shape == (0, 1280)


def test_out_of_memory_halves_the_batch_and_gives_up_at_one() -> None:
    seen: list[int] = []

    def needs_room(rows: torch.Tensor, most: int) -> tuple[torch.Tensor]:
        seen.append(len(rows))
        if len(rows) > most:
            raise torch.OutOfMemoryError("no room")
        return (rows * 2,)

    (doubled,) = in_batches(lambda rows: needs_room(rows, 4), 10, CPU, fill=True)
    np.testing.assert_array_equal(doubled.numpy(), np.arange(10) * 2)
    assert seen == [module.BATCH["cpu"], module.BATCH["cpu"] // 2, 4, 4, 4]
    with pytest.raises(StageError, match="no memory for a single crop"):
        in_batches(lambda rows: needs_room(rows, 0), 10, CPU)


def test_another_geometry_is_refused(make_bank) -> None:
    with pytest.raises(InputError, match=r"crops of 32 px, the network is set to image_size=64"):
        check_bank(make_bank(1), 64)
    with pytest.raises(InputError, match=r"expected an ImageBank .* got ndarray"):
        check_bank(np.zeros((3, 32, 32)), 32)
