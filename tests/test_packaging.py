"""The wheel: it is enough to train, export and load, without extras, and each extra is enough for what it is for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import venv
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

TRAIN = """
import numpy as np
import keras_transfer as kt

images, labels = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3)).astype("uint8"), np.arange(24) % 2
data = kt.data.from_arrays(images, labels, class_names=["even", "odd"], batch_size=8)
model = kt.build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
history = kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, verbose=0)
version = kt.export(model, "versions", data=data)
assert kt.load("versions").predict(images[:1])[0].class_name in data.class_names
"""
# What each extra is for, with nothing else installed. In the folder with what `TRAIN` has left.
USES = {
    "signing": """
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        import keras_transfer as kt

        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
        public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
        open("private.pem", "wb").write(private), open("public.pem", "wb").write(public)
        kt.sign("versions", "private.pem")
        assert kt.load("versions", check="public.pem").class_names == ("even", "odd")
    """,
    "serve": """
        from urllib.request import urlopen
        from keras_transfer.server import Server

        with Server("versions", port=0, grpc_port=0, page=True) as server:
            assert b"AVAILABLE" in urlopen(server.model_url).read() and b"<html" in urlopen(server.url).read()
    """,
    "onnx": "import keras_transfer as kt; assert kt.convert('versions', 'onnx').is_file()",
    "litert": "import keras_transfer as kt; assert kt.convert('versions', 'litert').is_file()",
    "openvino": "import keras_transfer as kt; assert kt.convert('versions', 'openvino').is_file()",
    "notebook": "import ipykernel, nbformat, nbclient",
    "docs": "import mkdocs, mkdocstrings, material, nbconvert",
}


def run(*command: object, folder: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, folder=ROOT)
    assert {path.suffix for path in folder.iterdir()} == {".gz", ".whl"}
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory) -> Iterator[tuple[Path, Path]]:
    """An environment with the wheel and what it requires, and a folder in which it has trained and exported."""
    place = tmp_path_factory.mktemp("alone")
    venv.create(place / "venv", with_pip=True)
    run(place / "venv/bin/pip", "install", "--quiet", wheel, folder=place)
    run(place / "venv/bin/python", "-c", TRAIN, folder=place)
    yield place / "venv", place


def test_the_wheel_alone_trains_exports_and_loads(alone):
    environment, folder = alone
    assert (folder / "versions" / "1" / "verification.json").is_file()
    assert "keras-transfer" in run(environment / "bin/keras-transfer", "--version", folder=folder)
    look = "import importlib.util as util; print(util.find_spec('fastapi'))"
    assert run(environment / "bin/python", "-c", look, folder=folder) == "None\n", "nothing of the extras is there"


def test_every_extra_has_a_use():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {*USES, "test"} == set(setup["options.extras_require"])


@pytest.mark.parametrize("extra", USES)
def test_an_extra_alone_is_enough_for_what_it_is_for(extra, alone, wheel, tmp_path):
    """In an environment of its own, that borrows what the wheel requires from the one above."""
    environment, folder = alone
    venv.create(tmp_path / "venv", with_pip=True)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (borrowed,) = (environment / "lib").glob("python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{borrowed}\n")
    run(tmp_path / "venv/bin/pip", "install", "--quiet", f"{wheel}[{extra}]", folder=tmp_path)
    shutil.copytree(folder / "versions", tmp_path / "versions")
    run(tmp_path / "venv/bin/python", "-c", textwrap.dedent(USES[extra]), folder=tmp_path)
