"""The wheel: installed without extras in an empty environment it does the main job, and each extra installs alone."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

TEN_LINES = """
import numpy as np, keras, keras_transfer as kt
images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3)).astype("uint8")
data = kt.data.from_arrays(images, np.arange(24) % 2, class_names=["even", "odd"])
network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)])
model = kt.build_model(network, data.num_classes, image_size=32)
kt.fine_tune(model, data, epochs=2, verbose=0)
print(kt.evaluate(model, data.validation, class_names=data.class_names))
version = kt.export(model, "versions", data=data)
print(kt.load(version).predict_probabilities(images[:2]).shape)
"""
EXTRAS = ("docs", "litert", "notebook", "onnx", "openvino", "serve", "signing")
IMPORTS = {  # what each extra brings, by a module that it is for
    "docs": "mkdocs",
    "litert": "ai_edge_litert",
    "notebook": "nbclient",
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "serve": "fastapi",
    "signing": "cryptography",
}


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    run(folder / "venv" / "bin" / "pip", "install", "--quiet", wheel, folder=folder)
    return folder


def test_the_wheel_without_extras_trains_and_serves(environment):
    said = run(environment / "venv" / "bin" / "python", "-W", "ignore", "-c", TEN_LINES, folder=environment)
    assert "accuracy" in said and said.endswith("(2, 2)\n")
    assert run(environment / "venv" / "bin" / "keras-transfer", "--version", folder=environment).startswith("keras")


def test_every_extra_is_tried():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert set(config["options.extras_require"]) - {"test"} == set(EXTRAS) == set(IMPORTS)


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_installs_alone(extra, wheel, environment):
    """Into the same environment, which has the wheel without extras and maybe other extras."""
    run(environment / "venv" / "bin" / "pip", "install", "--quiet", f"{wheel}[{extra}]", folder=environment)
    run(environment / "venv" / "bin" / "python", "-W", "ignore", "-c", f"import {IMPORTS[extra]}", folder=environment)
