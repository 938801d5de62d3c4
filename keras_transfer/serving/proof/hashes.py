"""Hashes: a list of the hashes of all files of a version, and its signature, so that any change is detected."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_transfer._checks import InputError, VerificationError
from keras_transfer._folders import write_whole
from keras_transfer.serving.versions import find_version

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIST, SIGNATURE = "hashes.json", "hashes.json.sig"


def write_hashes(folder: Path) -> None:
    """Writes the SHA-256 of every file of a version to `hashes.json` in its folder."""
    content = {"algorithm": "sha256", "files": _hashes(folder)}
    (folder / LIST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def sign(path: str | os.PathLike[str], private_key: str | os.PathLike[str]) -> Path:
    """Signs the list of hashes of an exported version. With your public key, others can check that it is unchanged.

    The files are compared with the hashes first. These commands make a pair of keys: `openssl genpkey -algorithm
    ed25519 -out private.pem` and `openssl pkey -in private.pem -pubout -out public.pem`. Signing needs
    `pip install "keras-transfer[signing]"`.

    Args:
        path: folder of a version, or a folder of versions, of which the newest is signed.
        private_key: PEM file of an Ed25519 private key without a password.

    Returns:
        The file with the signature, `hashes.json.sig` in the version's folder.

    Raises:
        InputError: if there is no version at `path`, or the key cannot be used.
        VerificationError: if a file was changed since the export.
        DiskError: if the signature cannot be written.
    """
    folder = find_version(path)
    check_hashes(folder)
    key = _private_key(Path(private_key).expanduser())
    signature = base64.b64encode(key.sign((folder / LIST).read_bytes())).decode()
    write_whole(folder / SIGNATURE, signature + "\n")
    return folder / SIGNATURE


def check_hashes(folder: Path, public_key: str | os.PathLike[str] | None = None) -> None:
    """Checks that the files of a version are unchanged since the export and, with a key, that they are signed with it.

    Args:
        folder: folder of the version.
        public_key: PEM file of an Ed25519 public key; None to leave the signature unchecked.

    Raises:
        InputError: if the key cannot be used.
        VerificationError: if a file was changed, removed or added, or the signature is missing or from another key.
    """
    try:
        listed = (folder / LIST).read_bytes()
        expected = dict(json.loads(listed)["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"Expected a version with hashes in {LIST}. Received: {str(folder)!r} ({error})."
        ) from error
    if public_key is not None:
        _check_signature(folder, listed, Path(public_key).expanduser())
    actual = _hashes(folder)
    changed = sorted(name for name in {*expected, *actual} if expected.get(name) != actual.get(name))
    if changed:
        kinds = [
            f"{name} ({'missing' if name not in actual else 'added' if name not in expected else 'changed'})"
            for name in changed
        ]
        raise VerificationError(
            f"Expected the files that were exported in {str(folder)!r}. Received: {', '.join(kinds)}."
        )


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (LIST, SIGNATURE):
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _check_signature(folder: Path, listed: bytes, key: Path) -> None:
    public = _public_key(key)
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(base64.b64decode((folder / SIGNATURE).read_bytes()), listed)
    except OSError as error:
        raise VerificationError(f"Expected a signed version. Received: {str(folder)!r} without {SIGNATURE}.") from error
    except (InvalidSignature, ValueError) as error:
        raise VerificationError(
            f"Expected {str(folder)!r} to be signed with the key of {str(key)!r}. It is not."
        ) from error


def _private_key(path: Path) -> Ed25519PrivateKey:
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"Expected a PEM file with a private key. Received: {str(path)!r} ({error}).") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"Expected an Ed25519 key. Received: {str(path)!r} with {type(key).__name__}.")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    _need_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a PEM file with a public key. Received: {str(path)!r} ({error}).") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"Expected an Ed25519 key. Received: {str(path)!r} with {type(key).__name__}.")
    return key


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise InputError('Signatures need the cryptography package: pip install "keras-transfer[signing]".') from error
