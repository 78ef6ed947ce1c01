"""A bank lies on its device once: what is taken from it shares its pixels there, and what is changed does not."""

from __future__ import annotations

import gc
import pickle
from dataclasses import replace
from weakref import ref

import numpy as np
import torch

from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import build_network
from validkit.plnm.deep.crops import Crops
from validkit.plnm.deep.device import stage
from validkit.plnm.deep.embedding import infer
from validkit.plnm.deep.resident import Resident
from validkit.plnm.deep.weights import Source

CPU = torch.device("cpu")


def test_folds_share_the_pixels_of_the_bank_they_were_taken_from(make_bank) -> None:
    bank = make_bank(9)
    fold = bank.take([7, 2, 2, 5])
    inner = fold.take([3, 0])
    places = {Resident(one, CPU).pixels.data_ptr() for one in (bank, fold, inner, bank.take([1]).take([0]))}
    assert len(places) == 1
    np.testing.assert_array_equal(Resident(inner, CPU)[torch.tensor([0, 1, 1])].numpy(), bank.images[[5, 7, 7]])
    np.testing.assert_array_equal(Resident(fold, CPU)[torch.arange(4)].numpy(), fold.images)
    np.testing.assert_array_equal(Resident(bank, CPU)[torch.arange(9)].numpy(), bank.images)


def test_a_fold_computes_what_its_own_pixels_give(make_bank) -> None:
    bank = make_bank(9)
    fold = bank.take([7, 2, 2, 5])
    alone = pickle.loads(pickle.dumps(fold))
    assert alone.origin is None
    draws = torch.from_numpy(Augmentation().draw(np.random.default_rng(0), 4))
    shared, own = (Crops(one, Augmentation(), CPU) for one in (fold, alone))
    assert torch.equal(shared.augmented(torch.arange(4), draws), own.augmented(torch.arange(4), draws))
    network = build_network("resnet50", Source("none"), 32)
    with stage(CPU):
        np.testing.assert_array_equal(*(infer(network, one, device=CPU).embedding for one in (fold, alone)))


def test_a_changed_copy_of_a_fold_has_its_own_pixels(make_bank) -> None:
    fold = make_bank(9).take([7, 2])
    dark = replace(fold, images=fold.images // 2)
    np.testing.assert_array_equal(Resident(dark, CPU)[torch.arange(2)].numpy(), fold.images // 2)


def test_pixels_leave_the_device_with_their_bank(make_bank) -> None:
    bank = make_bank(3)
    Resident(bank.take([0]), CPU)
    gone = ref(bank)
    pixels = ref(Resident(bank, CPU).pixels)
    del bank
    gc.collect()
    assert gone() is None
    assert pixels() is None
