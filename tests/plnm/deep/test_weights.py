from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.deep import weights as module
from validkit.plnm.deep.backbones import build_network, check_weights
from validkit.plnm.deep.weights import Source, WeightsError, download, find_weights, read_state


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub cache, and no network."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv(module.OFFLINE, "1")
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def random_state(backbone: str) -> dict[str, torch.Tensor]:
    """A full ImageNet-shaped state: the network's own names, with its thousand-class layer."""
    from torchvision import models

    torch.manual_seed(0)
    return getattr(models, backbone)().state_dict()


@pytest.mark.parametrize(
    ("backbone", "file"),
    [
        ("densenet121", "densenet121-a639ec97.pth"),
        ("resnet50", "resnet50-0676ba61.pth"),
        ("alexnet", "alexnet-owt-7be5be79.pth"),
    ],
)
def test_missing_imagenet_weights_say_where_and_what_to_do(hub: Path, backbone: str, file: str) -> None:
    with pytest.raises(WeightsError) as error:
        check_weights(backbone, "imagenet")
    text = str(error.value)
    assert isinstance(error.value, InputError)
    assert text.startswith(f"{backbone}: its ImageNet weights are not here")
    assert f"looked for: {file}" in text
    assert str(hub) in text
    assert "TORCH_HOME" in text
    assert "not tried, because VALIDKIT_OFFLINE is set" in text
    for choice in (
        f"put {file} into that folder",
        f'weights = "PATH": a file, or a folder holding one {backbone}*.pth',
        'backbones = ["efficientnet-lite0"]',
        "pip install 'validkit[offline]'",
        'weights = "none"',
    ):
        assert choice in text


def test_a_failed_download_is_told_with_its_reason(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(module.OFFLINE)

    def refuse(url: str, timeout: float) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(module.urllib.request, "urlopen", refuse)
    with pytest.raises(WeightsError, match=r"download:   failed \(network is unreachable\)"):
        find_weights("alexnet", "imagenet")


def test_a_cached_file_with_another_hash_is_refused(hub: Path) -> None:
    (hub / "alexnet-owt-7be5be79.pth").write_bytes(b"not the weights")
    with pytest.raises(WeightsError, match="is damaged or not the file its name says"):
        find_weights("alexnet", "imagenet")


def test_download_checks_the_hash_and_leaves_no_draft(tmp_path: Path) -> None:
    content = b"weights" * 1000
    prefix = hashlib.sha256(content).hexdigest()[:8]
    source = tmp_path / "remote"
    source.write_bytes(content)
    folder = tmp_path / "cache"
    download(source.as_uri(), folder / f"net-{prefix}.pth")
    assert (folder / f"net-{prefix}.pth").read_bytes() == content
    with pytest.raises(OSError, match=f"SHA-256 starts with {prefix}, not 00000000"):
        download(source.as_uri(), folder / "net-00000000.pth")
    assert [file.name for file in folder.iterdir()] == [f"net-{prefix}.pth"]


def test_a_download_without_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(url: str, timeout: float) -> None:
        release.wait(10)
        raise OSError("released")

    monkeypatch.setattr(module.urllib.request, "urlopen", hang)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(OSError, match="given up: 0 bytes"):
        download("https://example.invalid/a-00000000.pth", tmp_path / "a-00000000.pth")
    assert time.monotonic() - start < 5
    release.set()


def test_the_offline_stand_in_loads_strictly_and_is_identified() -> None:
    source = check_weights("efficientnet-lite0", "imagenet", image_size=32)
    assert source.kind == "imagenet"
    assert source.sha256.startswith("57934424")
    assert source.label == f"imagenet (efficientnet-lite0-57934424.pth, sha256 {source.sha256})"


def test_without_the_offline_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"validkit\[offline\]"):
        find_weights("efficientnet-lite0", "imagenet")


def test_a_folder_offers_one_file_a_backbone(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no alexnet\*\.pth.*it holds nothing"):
        find_weights("alexnet", str(tmp_path))
    state = random_state("alexnet")
    torch.save(state, tmp_path / "alexnet-a.pth")
    (tmp_path / "notes.txt").write_text("x")
    assert find_weights("alexnet", str(tmp_path)).path == tmp_path / "alexnet-a.pth"
    with pytest.raises(WeightsError, match=r"resnet50: the folder .* it holds alexnet-a.pth, notes.txt"):
        find_weights("resnet50", str(tmp_path))
    save_file(state, tmp_path / "alexnet-b.safetensors")
    with pytest.raises(WeightsError, match=r"2 candidates \(alexnet-a.pth, alexnet-b.safetensors\); name one file"):
        find_weights("alexnet", str(tmp_path))


def test_a_path_that_is_nothing_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is neither a file nor a folder"):
        find_weights("alexnet", str(tmp_path / "absent"))
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"must end in \.pth, \.pt, \.safetensors"):
        find_weights("alexnet", str(tmp_path / "a.onnx"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_gives_exactly_its_tensors(tmp_path: Path, suffix: str) -> None:
    state = random_state("alexnet")
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, path)
    else:
        save_file(state, path)
    network = build_network("alexnet", Source("file", path), 64)
    torch.testing.assert_close(network.body[0].weight, state["features.0.weight"], atol=0, rtol=0)
    torch.testing.assert_close(network.neck[6].weight, state["classifier.4.weight"], atol=0, rtol=0)


def test_early_densenet_names_are_understood(tmp_path: Path) -> None:
    state = random_state("densenet121")
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet121-old.pth")
    network = build_network("densenet121", Source("file", tmp_path / "densenet121-old.pth"), 32)
    got = network.body[0].denseblock1.denselayer1.norm1.weight
    torch.testing.assert_close(got, state["features.denseblock1.denselayer1.norm1.weight"], atol=0, rtol=0)


def test_weights_of_another_network_do_not_fit(tmp_path: Path) -> None:
    torch.save(random_state("alexnet"), tmp_path / "resnet50.pth")
    with pytest.raises(WeightsError, match=r"resnet50.pth does not fit resnet50:\n.*Missing key"):
        check_weights("resnet50", str(tmp_path))


class Evil:
    """Would write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_weights_file_is_executed(tmp_path: Path) -> None:
    torch.save({"a": Evil(tmp_path / "executed")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="could run code, so it was not opened"):
        read_state(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(WeightsError, match=r"a\.safetensors cannot be read as weights"):
        read_state(tmp_path / "a.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="not a table of tensors by name"):
        read_state(tmp_path / "list.pth")
