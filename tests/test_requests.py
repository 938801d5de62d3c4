"""Requests: pictures in whatever form, as a server takes them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt

# of which the base64 text has characters of both alphabets
PICTURE = tf.io.encode_png(np.random.default_rng(3).integers(0, 256, (9, 9, 3)).astype("uint8")).numpy()
STANDARD, URL_SAFE = base64.b64encode(PICTURE).decode(), base64.urlsafe_b64encode(PICTURE).decode()


def sent(image, **options):
    (instance,) = json.loads(json.dumps(kt.predict_request([image], **options)))["instances"]
    return base64.b64decode(instance["image_bytes"]["b64"], validate=True)


def test_every_form_is_sent_as_the_same_bytes(tmp_path):
    assert set("-_") & set(URL_SAFE)
    (tmp_path / "p.png").write_bytes(PICTURE)
    lines = "\n".join(STANDARD[start : start + 76] for start in range(0, len(STANDARD), 76))
    forms = [
        PICTURE,
        tmp_path / "p.png",
        str(tmp_path / "p.png"),
        STANDARD,
        STANDARD.rstrip("="),
        URL_SAFE,
        URL_SAFE.rstrip("="),
        lines,
        f"data:image/png;base64,{STANDARD}",
        f"data:image/png;base64,{URL_SAFE}",
    ]
    assert [sent(form) for form in forms] == [PICTURE] * len(forms)


def test_other_formats_are_sent_as_png(tmp_path):
    values = np.arange(64, dtype="uint16").reshape(8, 8) * 60
    np.save(tmp_path / "p.npy", values)
    pixels = tf.io.decode_png(sent(tmp_path / "p.npy", pixel_range=(0, 4095))).numpy()
    assert np.array_equal(pixels[..., 0], np.round(values * (255 / 4095)))


def test_a_signature_is_named():
    assert kt.predict_request([PICTURE], signature_name="features")["signature_name"] == "features"
    assert "signature_name" not in kt.predict_request([PICTURE])


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (["no/such.png"], "neither"),
        (["data:image/png;base64,!!"], "neither"),
        (["aGVsbG8gd29ybGQ="], "start with b'hello world'"),
        ([b"hello"], "start with b'hello'"),
        ([5], "int in the list"),
        ("p.png", "a list of paths"),
        (["."], "cannot|directory"),
    ],
)
def test_what_is_no_picture_is_refused(images, said):
    with pytest.raises(kt.InputError, match=said):
        kt.predict_request(images)


def test_a_server_answers_such_a_request(exported):
    answered = tf.saved_model.load(str(exported)).signatures["serving_default"](
        image_bytes=tf.constant([sent(URL_SAFE)])
    )
    assert np.allclose(answered["probabilities"], kt.load(exported).predict_probabilities([PICTURE]), atol=1e-6)
