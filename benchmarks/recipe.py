"""The usual recipe of deep transfer learning, as its users write it: the peer of the deep core.

PIL images, torchvision's transforms on the CPU in a DataLoader with a worker a processor, single precision, NCHW,
eager. It needs torch, torchvision, Pillow and NumPy alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

Box = tuple[int, int, int, int]
HEADS = {"densenet121": "classifier", "resnet50": "fc", "alexnet": "classifier.6"}
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LesionDataset(Dataset[tuple[Tensor, float]]):
    """Lesions in PIL images, cut out and transformed one by one; boxes : left, upper, right, lower, None for crops."""

    def __init__(
        self,
        images: Sequence[Image.Image],
        labels: np.ndarray,
        transform: transforms.Compose,
        boxes: Sequence[Box] | None = None,
    ) -> None:
        self.images = images
        self.boxes = boxes
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        image = self.images[index]
        if self.boxes is not None:
            image = image.crop(self.boxes[index])
        return self.transform(image), float(self.labels[index])


def transform_of(image_size: int, *, training: bool) -> transforms.Compose:
    steps = [transforms.Grayscale(3)]
    if training:
        steps += [
            transforms.RandomResizedCrop(image_size, scale=(0.7, 1.0), ratio=(1.0, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    else:
        steps.append(transforms.Resize((image_size, image_size)))
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])


def loader_of(
    images: Sequence[Image.Image],
    labels: np.ndarray,
    image_size: int,
    batch: int,
    *,
    training: bool,
    cuda: bool,
    boxes: Sequence[Box] | None = None,
) -> DataLoader[tuple[Tensor, float]]:
    return DataLoader(
        LesionDataset(images, labels, transform_of(image_size, training=training), boxes),
        batch_size=batch,
        shuffle=training,
        num_workers=processors(),
        pin_memory=cuda,
        persistent_workers=True,
        drop_last=False,
    )


def network_of(backbone: str, *, embeds: bool = False) -> nn.Module:
    model: nn.Module = getattr(models, backbone)(weights=None)
    parent, _, name = HEADS[backbone].rpartition(".")
    head = getattr(model.get_submodule(parent), name)
    setattr(model.get_submodule(parent), name, nn.Identity() if embeds else nn.Linear(head.in_features, 1))
    return model


def fine_tune(
    backbone: str,
    images: Sequence[Image.Image],
    labels: np.ndarray,
    validation: tuple[Sequence[Image.Image], np.ndarray],
    *,
    image_size: int,
    batch: int,
    epochs: int,
    device: torch.device,
) -> list[float]:
    """Train every layer; the validation loss of each epoch."""
    cuda = device.type == "cuda"
    training_loader = loader_of(images, labels, image_size, batch, training=True, cuda=cuda)
    validation_loader = loader_of(*validation, image_size, batch, training=False, cuda=cuda)
    model = network_of(backbone).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4)
    criterion = nn.BCEWithLogitsLoss()
    losses, best = [], None
    for _ in range(epochs):
        model.train()
        for x, y in training_loader:
            x, y = x.to(device, non_blocking=True), y.float().to(device, non_blocking=True)
            optimizer.zero_grad()
            loss = criterion(model(x).squeeze(1), y)
            loss.backward()
            optimizer.step()
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, y in validation_loader:
                x, y = x.to(device, non_blocking=True), y.float().to(device, non_blocking=True)
                total += criterion(model(x).squeeze(1), y).item() * len(y)
        losses.append(total / len(validation[1]))
        if losses[-1] == min(losses):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    if best is not None:
        model.load_state_dict(best)
    return losses


def embed(
    backbone: str,
    images: Sequence[Image.Image],
    boxes: Sequence[Box],
    *,
    image_size: int,
    batch: int,
    device: torch.device,
) -> np.ndarray:
    """(n, D) penultimate vectors of the lesions in these boxes."""
    labels, cuda = np.zeros(len(images)), device.type == "cuda"
    loader = loader_of(images, labels, image_size, batch, training=False, cuda=cuda, boxes=boxes)
    model = network_of(backbone, embeds=True).to(device).eval()
    found = []
    with torch.no_grad():
        for x, _ in loader:
            found.append(model(x.to(device, non_blocking=True)).cpu().numpy())
    return np.concatenate(found)
