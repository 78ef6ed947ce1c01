"""Grad-CAM: which parts of a crop raise a network's log odds of the event.

Selvaraju et al., Int J Comput Vis 128 (2020) 336-359.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from validkit.plnm.deep.augment import centre
from validkit.plnm.deep.backbones import Network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.embedding import in_batches
from validkit.plnm.deep.resident import Resident


def grad_cam(network: Network, crops: Tensor) -> Tensor:
    """ReLU of sum_c w_c A_c, with w_c the mean over the map of d logit / d A_c: (n, 1, S, S) crops to (n, h, w) >= 0.

    A is the last feature map, after its activation. It is computed first and differentiated as a leaf of its own, so
    that no later in-place activation (DenseNet has one) can overwrite it.
    """
    network.eval()
    with torch.no_grad():
        maps = network.features(crops)
    maps = maps.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = network.decide(network.pool(maps)).sum()
        (gradient,) = torch.autograd.grad(logits, maps)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * maps.detach()).sum(dim=1).relu()


def saliency_maps(network: Network, bank: ImageBank, *, device: torch.device) -> NDArray[np.float32]:
    """(n, S, S) float32 in [0, 1]: Grad-CAM at the size of the crop (bilinear), each map divided by its maximum.

    A map is all zero where nothing in the crop raises the log odds. Call it inside `device.stage`.
    """
    size = bank.image_size
    if not len(bank):
        return np.zeros((0, size, size), dtype=np.float32)
    images = Resident(bank, device)

    def batch(rows: Tensor) -> tuple[Tensor]:
        cam = grad_cam(network, centre(images[rows], size))
        cam = functional.interpolate(cam.unsqueeze(1), size=(size, size), mode="bilinear", align_corners=False)
        peak = cam.amax(dim=(2, 3), keepdim=True)
        return (torch.where(peak > 0, cam / peak.clamp_min(torch.finfo(cam.dtype).tiny), 0.0).squeeze(1),)

    return in_batches(batch, len(bank), device, fill=True)[0].cpu().numpy()
