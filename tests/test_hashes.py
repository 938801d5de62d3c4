"""Hashes: a changed, missing or added file of a version shows, and so does another's signature."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

import keras_transfer as kt


@pytest.fixture
def version(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "models" / "1")


@pytest.fixture
def keys(tmp_path):
    private = Ed25519PrivateKey.generate()
    return _written(private, tmp_path / "private.pem", tmp_path / "public.pem")


def _written(private, private_file, public_file):
    no_password = serialization.NoEncryption()
    private_file.write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    )
    public_file.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private_file, public_file


def test_an_unchanged_version_loads(version):
    assert kt.load(version.parent, check=True).class_names == ("blue", "green", "red")


def test_every_change_shows(version):
    (version / "keras_transfer.json").write_text((version / "keras_transfer.json").read_text().replace("red", "rot"))
    (version / "more.txt").write_text("what is this")
    (version / "variables" / "variables.index").unlink()
    said = r"keras_transfer\.json \(changed\), more\.txt \(added\), variables/variables\.index \(missing\)"
    with pytest.raises(kt.InputError, match=said):
        kt.load(version, check=True)


def test_a_signature_is_checked(version, keys):
    private, public = keys
    with pytest.raises(kt.InputError, match=r"without hashes\.json\.sig"):
        kt.load(version, check=public)
    assert kt.sign(version.parent, private) == version / "hashes.json.sig"
    kt.load(version, check=public)
    kt.load(version, check=True)


def test_another_key_or_list_is_refused(version, keys, tmp_path):
    private, public = keys
    kt.sign(version, private)
    _, stranger = _written(Ed25519PrivateKey.generate(), tmp_path / "a.pem", tmp_path / "b.pem")
    with pytest.raises(kt.InputError, match="to be signed with the key of"):
        kt.load(version, check=stranger)
    (version / "hashes.json").write_text((version / "hashes.json").read_text() + " ")
    with pytest.raises(kt.InputError, match="to be signed with the key of"):
        kt.load(version, check=public)


def test_a_changed_version_is_not_signed(version, keys):
    (version / "model_card.md").write_text("the best model there is")
    with pytest.raises(kt.InputError, match=r"model_card\.md \(changed\)"):
        kt.sign(version, keys[0])
    assert not (version / "hashes.json.sig").exists()


def test_wrong_keys_are_refused(version, keys, tmp_path):
    rsa, rsa_public = _written(generate_private_key(65537, 2048), tmp_path / "rsa.pem", tmp_path / "rsa_public.pem")
    with pytest.raises(kt.InputError, match="an Ed25519 key"):
        kt.sign(version, rsa)
    kt.sign(version, keys[0])
    with pytest.raises(kt.InputError, match="an Ed25519 key"):
        kt.load(version, check=rsa_public)
    with pytest.raises(kt.InputError, match="a PEM file with a public key"):
        kt.load(version, check=version / "hashes.json")
    with pytest.raises(kt.InputError, match="a PEM file with a private key"):
        kt.sign(version, tmp_path / "missing.pem")
    (version / "hashes.json").unlink()
    with pytest.raises(kt.InputError, match="a version with hashes"):
        kt.load(version, check=True)


def test_the_package_for_signing_is_named_where_it_is_missing(version, keys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(kt.InputError, match=r'pip install "keras-transfer\[signing\]"'):
        kt.sign(version, keys[0])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_keys_made_by_openssl_work(version, tmp_path):
    """By the two commands that the docstring names."""
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    kt.sign(version, private)
    kt.load(version, check=public)
