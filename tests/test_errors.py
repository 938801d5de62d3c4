"""Errors: a caller can tell their causes apart, and catch them all at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import toy_backbone

import keras_transfer as kt


def _bad_argument(folder):
    kt.Phase(0, "head", 1e-3)


def _bad_data(folder):
    kt.data.from_directory(folder)


def _missing_download(folder):
    kt.build_model("VGG16", 2, image_size=32)


def _full_disk(folder):
    (folder / "file").write_text("in the way")
    kt.export(kt.build_model(toy_backbone(), 2, image_size=32), folder / "file" / "photos", verify=False)


def _damaged(folder):
    version = kt.export(kt.build_model(toy_backbone(), 2, image_size=32), folder / "photos", verify=False)
    (version / "saved_model.pb").write_bytes(b"")
    kt.load(version, check=True)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (_bad_argument, kt.InputError),
        (_bad_data, kt.DataError),
        (_missing_download, kt.DownloadError),
        (_full_disk, kt.DiskError),
        (_damaged, kt.VerificationError),
    ],
)
def test_each_cause_has_its_class(cause, kind, tmp_path):
    with pytest.raises(kt.InputError) as caught:
        cause(tmp_path)
    assert type(caught.value) is kind and isinstance(caught.value, (kt.KerasTransferError, ValueError))


@pytest.mark.parametrize("settled", ["by the environment", "by Keras itself"])
def test_another_backend_of_keras_is_a_sentence(settled):
    by_keras = "import keras; keras.config.backend = lambda: 'jax'; " if settled == "by Keras itself" else ""
    done = subprocess.run(
        [sys.executable, "-c", f"{by_keras}import keras_transfer as kt; kt.build_model"],
        env={**os.environ, "KERAS_BACKEND": "tensorflow" if by_keras else "jax"},
        capture_output=True,
        text=True,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "Expected Keras to compute with TensorFlow. Received: backend 'jax'." in last


def test_errors_of_arguments_say_what_came():
    with pytest.raises(kt.InputError, match=r"Received: epochs=0\."):
        kt.Phase(0, "head", 1e-3)
