"""A detached signature beside a bundle: who wrote it, to whoever has that person's public key.

Ed25519 over the file's bytes, as `openssl pkeyutl -sign -rawin` makes it; keys are PEM files, as `openssl genpkey
-algorithm ed25519` writes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from validkit.errors import InputError
from validkit.extras import require
from validkit.store import write_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["SIGNATURE", "check_signature", "make_key", "sign"]

SIGNATURE = ".sig"
"""of the signature's file, after the bundle's name"""
LENGTH = 64
"""bytes of a signature"""
MAX_KEY = 100_000


def make_key(path: Path) -> tuple[Path, Path]:
    """A new key pair: (private key, readable by its owner alone; public key, `.pub` behind its name).

    Raises InputError where one of the two files is there already.
    """
    _library()
    from cryptography.hazmat.primitives import serialization as as_
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists():
            raise InputError(f"{file} is there already; give another name, as a key that is overwritten is lost")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(as_.Encoding.PEM, as_.PrivateFormat.PKCS8, as_.NoEncryption())
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(secret)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    write_bytes(public, key.public_key().public_bytes(as_.Encoding.PEM, as_.PublicFormat.SubjectPublicKeyInfo))
    return path, public


def sign(bundle: Path, key: Path) -> Path:
    """Sign a bundle with a private key; returns the signature's file, which lies beside the bundle."""
    secret = _private(key)
    signature = bundle.with_name(f"{bundle.name}{SIGNATURE}")
    write_bytes(signature, secret.sign(_read(bundle, "bundle")))
    return signature


def check_signature(bundle: Path, key: Path, signature: Path | None = None) -> None:
    """Raise InputError unless the signature is that of this very file by the owner of the public key.

    signature : its file; None looks beside the bundle
    """
    public, file = _public(key), signature or bundle.with_name(f"{bundle.name}{SIGNATURE}")
    if not file.is_file():
        raise InputError(f"there is no signature {file}; give its file with --signature, or ask the sender for it")
    data = _read(file, "signature")
    if len(data) != LENGTH:
        raise InputError(f"{file} is no Ed25519 signature: it has {len(data)} bytes, not {LENGTH}")
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(data, _read(bundle, "bundle"))
    except InvalidSignature:
        raise InputError(
            f"{file} is no signature of {bundle} by the owner of {key}: the bundle was changed, or somebody else "
            "signed it; do not use it"
        ) from None


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _key(path, private=True)
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} holds a key of another kind; an Ed25519 key signs bundles (validkit bundle key FILE)")
    return key


def _public(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _key(path, private=False)
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} holds a key of another kind; bundles are signed with Ed25519 keys")
    return key


def _key(path: Path, *, private: bool) -> Any:
    _library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    what = "private key" if private else "public key"
    data = _read(path, what, most=MAX_KEY)
    try:
        return load_pem_private_key(data, None) if private else load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        wrong = "the private one is never given away: " if not private and b"PRIVATE KEY" in data else ""
        raise InputError(f"{path} is no {what} in PEM form: {wrong}{error}") from error


def _read(path: Path, what: str, *, most: int | None = None) -> bytes:
    try:
        if most is not None and path.stat().st_size > most:
            raise InputError(f"{path} has {path.stat().st_size} bytes; it is no {what}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"the {what} {path} cannot be read: {error.strerror or error}") from error


def _library() -> None:
    require("transfer", "signing bundles")
