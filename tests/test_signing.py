"""Signatures of bundles: right ones hold, every other is refused, and openssl agrees."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the transfer extra")

from validkit.bundle.signing import check_signature, make_key, sign
from validkit.errors import InputError


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_key(tmp_path / "centre.pem")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"any bytes" * 1000)
    return path


def test_a_signature_holds_for_this_file_and_this_key(keys: tuple[Path, Path], bundle: Path, tmp_path: Path) -> None:
    private, public = keys
    signature = sign(bundle, private)
    assert signature == tmp_path / "bundle.zip.sig"
    assert len(signature.read_bytes()) == 64
    check_signature(bundle, public)
    moved = signature.rename(tmp_path / "by mail.sig")
    check_signature(bundle, public, moved)
    with pytest.raises(InputError, match=r"there is no signature .*bundle.zip.sig"):
        check_signature(bundle, public)
    _, other = make_key(tmp_path / "other.pem")
    with pytest.raises(InputError, match="somebody else signed it"):
        check_signature(bundle, other, moved)
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    with pytest.raises(InputError, match="the bundle was changed"):
        check_signature(bundle, public, moved)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(keys: tuple[Path, Path]) -> None:
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="is there already"):
        make_key(private)
    private.unlink()
    with pytest.raises(InputError, match=r"centre.pem.pub is there already"):
        make_key(private)
    assert public.is_file()


def test_what_is_no_key_is_refused(keys: tuple[Path, Path], bundle: Path, tmp_path: Path) -> None:
    private, public = keys
    sign(bundle, private)
    with pytest.raises(InputError, match=r"is no public key in PEM form: the private one is never given away"):
        check_signature(bundle, private)
    with pytest.raises(InputError, match=r"is no private key in PEM form"):
        sign(bundle, public)
    for content, message in ((b"hello", "is no public key in PEM form"), (b"x" * 200_000, "it is no public key")):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(InputError, match=message):
            check_signature(bundle, tmp_path / "key")
    with pytest.raises(InputError, match=r"the public key .*nowhere cannot be read"):
        check_signature(bundle, tmp_path / "nowhere")
    (tmp_path / "short.sig").write_bytes(b"x" * 63)
    with pytest.raises(InputError, match="it has 63 bytes, not 64"):
        check_signature(bundle, public, tmp_path / "short.sig")


def test_keys_of_another_kind_are_refused(bundle: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as as_
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = generate_private_key(SECP256R1())
    pem = key.private_bytes(as_.Encoding.PEM, as_.PrivateFormat.PKCS8, as_.NoEncryption())
    (tmp_path / "ec.pem").write_bytes(pem)
    with pytest.raises(InputError, match="holds a key of another kind; an Ed25519 key signs bundles"):
        sign(bundle, tmp_path / "ec.pem")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_verifies_our_signature_and_makes_the_same(
    keys: tuple[Path, Path], bundle: Path, tmp_path: Path
) -> None:
    private, public = keys
    signature = sign(bundle, private)
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin", "-in", str(bundle)]
    done = subprocess.run([*verify, "-sigfile", str(signature)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own = tmp_path / "own.sig"
    command = ["openssl", "pkeyutl", "-sign", "-inkey", str(private), "-rawin", "-in", str(bundle), "-out", str(own)]
    subprocess.run(command, check=True, capture_output=True)
    assert own.read_bytes() == signature.read_bytes()
