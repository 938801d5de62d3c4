"""Hostile files: through doctor, training, evaluation and serving without a crash, each rejected one by name."""

from __future__ import annotations

import os
import random
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from drawing import encode, scene
from PIL import Image

import keras_transfer as kt
from keras_transfer.data.files import check_encoded
from keras_transfer.data.pixels.images import load_image

KINDS = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP"}
# Written down by hand, so that the doctor, training and serving are not judged by one of themselves.
UNREADABLE = {
    *("empty.jpg", "text.png", "one_byte.jpg", "soi.jpg", "signature.png", "riff.webp", "gif89a.gif", "bm.bmp"),
    *("page.jpg", "archive.jpg", "zeros.png", "negative.bmp", "no_width.png", "no_height.jpg", "wrong_check.png"),
    *("many_pixels.png", "many_pixels.gif", "many_pixels.bmp", "many_pixels.jpg", "leading.jpg", "moving.webp"),
    *(f"truncated.{kind}" for kind in KINDS),
}
MISNAMED = {"really_png.jpg", "really_gif.png", "really_bmp.gif", "really_webp.bmp", "really_jpg.webp"}
NO_FILES = {"folder.jpg", "loop.jpg", "lost.jpg", "around.jpg", "pipe.jpg", os.fsdecode(b"caf\xe9.jpg")}
REJECTED = UNREADABLE | MISNAMED | NO_FILES


def good(kind: str, seed: int = 0, **options) -> bytes:
    return encode(scene(seed, side=60), KINDS[kind], **options)


def patched(content: bytes, place: int, number: bytes) -> bytes:
    return content[:place] + number + content[place + len(number) :]


def jpeg_of_size(height: int, width: int) -> bytes:
    content = good("jpg")
    frame = content.index(b"\xff\xc0") + 5
    return patched(content, frame, struct.pack(">HH", height, width))


def files() -> dict[str, bytes]:
    """Returns hostile files by name; those that can be decoded are used, the others are left out."""
    frames = [scene(8), scene(9)]
    exif = Image.Exif()
    exif[0x0112] = 99
    bad_check = bytearray(good("png"))
    bad_check[40] ^= 0xFF
    made = {
        "empty.jpg": b"",
        "text.png": b"this is no picture",
        "one_byte.jpg": b"\xff",
        "soi.jpg": b"\xff\xd8\xff",
        "signature.png": b"\x89PNG\r\n\x1a\n",
        "riff.webp": b"RIFF\x10\0\0\0WEBP",
        "gif89a.gif": b"GIF89a",
        "bm.bmp": b"BM",
        "page.jpg": b"<html><body>404</body></html>",
        "archive.jpg": b"PK\x03\x04" + bytes(60),
        "zeros.png": bytes(1000),
        "many_pixels.png": encode(Image.new("1", (10_000, 10_000)), "PNG"),
        "many_pixels.gif": patched(good("gif"), 6, b"\xff\xff\xff\xff"),
        "many_pixels.bmp": patched(good("bmp"), 18, struct.pack("<ii", 60_000, 60_000)),
        "many_pixels.jpg": jpeg_of_size(65_000, 65_000),
        "negative.bmp": patched(good("bmp"), 18, struct.pack("<ii", -5, -5)),
        "no_width.png": patched(good("png"), 16, bytes(4)),
        "no_height.jpg": jpeg_of_size(0, 80),
        "wrong_check.png": bytes(bad_check),
        "trailing.jpg": good("jpg", 1) + b"garbage" * 100,
        "leading.jpg": b"\0\0" + good("jpg"),
        "zero_segment.jpg": patched(good("jpg"), 4, b"\0\0"),
        "strange_exif.jpg": good("jpg", 2, exif=exif),
        "cmyk.jpg": encode(scene(3, side=60).convert("CMYK"), "JPEG"),
        "progressive.jpg": good("jpg", 4, progressive=True),
        "grey.jpg": encode(scene(5, side=60).convert("L"), "JPEG"),
        "deep.png": encode(Image.fromarray(np.arange(3600, dtype="uint16").reshape(60, 60) * 18), "PNG"),
        "one_pixel.png": encode(Image.new("RGB", (1, 1), "red"), "PNG"),
        "thin.png": encode(scene(6).resize((1, 5000)), "PNG"),
        "palette.png": encode(scene(7, side=60).convert("P"), "PNG", transparency=0),
        "grey_alpha.png": encode(scene(10, side=60).convert("LA"), "PNG"),
        "moving.gif": encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "moving.webp": encode(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "UPPER.JPG": good("jpg", 11),
        "with space & sign.jpg": good("jpg", 12),
        "line\nbreak.jpg": good("jpg", 13),
        "écureuil ☀ 猫.png": good("png", 14),
        "-rf *.jpg": good("jpg", 15),
        "jfif.jfif": good("jpg", 16),
    }
    for kind in KINDS:
        made[f"truncated.{kind}"] = good(kind)[: len(good(kind)) // 2]
        other = {"jpg": "png", "png": "gif", "gif": "bmp", "bmp": "webp", "webp": "jpg"}[kind]
        made[f"really_{other}.{kind}"] = good(other)
    return made


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for index, name in enumerate(("a", "b")):
        (folder / name).mkdir()
        for number in range(6):
            (folder / name / f"good{number}.jpg").write_bytes(good("jpg", 100 + 10 * index + number))
    for name, content in files().items():
        (folder / "a" / name).write_bytes(content)
    (folder / "a" / "folder.jpg").mkdir()
    (folder / "a" / "loop.jpg").symlink_to("loop.jpg")
    (folder / "a" / "lost.jpg").symlink_to("nowhere.jpg")
    (folder / "b" / "around.jpg").symlink_to(folder)
    os.mkfifo(folder / "a" / "pipe.jpg")
    (folder / "a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(good("jpg"))
    return folder


def decodes(content: bytes) -> bool:
    try:
        load_image(tf.constant(content), (32, 32), "crop")
    except tf.errors.OpError:
        return False
    return True


@pytest.mark.filterwarnings("ignore::keras_transfer.DataWarning")
def test_the_doctor_names_every_file_that_is_rejected_and_no_other(hostile):
    assert len(files()) + 6 >= 40 and files().keys() >= UNREADABLE | MISNAMED
    checkup = kt.data.check(hostile, image_size=32)
    assert {item.path.name for item in checkup.left_out} == REJECTED
    for item in checkup.left_out:
        assert re.fullmatch(r"[^\[\]{}\n]{8,160}", item.reason), item
    assert checkup.found == checkup.used + len(checkup.left_out) == len(files()) + 6 + 12
    assert "line\nbreak.jpg" not in str(checkup) + checkup._repr_html_(), "a name is on one line"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::keras_transfer.DataWarning")
def test_training_evaluation_and_serving_go_on(hostile, tmp_path):
    data = kt.data.from_directory(hostile, image_size=32, batch_size=8)
    assert {item.path.name for item in data.left_out} == REJECTED
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.fine_tune(model, data, epochs=1, verbose=0)
    report = kt.evaluate(model, data.validation, class_names=data.class_names)
    assert report.confusion.sum() == len(data.splits["validation"])
    served = kt.load(kt.export(model, tmp_path / "served", data=data))
    used = [path for split in data.splits.values() for path in split.items]
    in_memory = np.concatenate([model(images) for images, _ in data.validation])
    held = list(data.splits["validation"].items)
    assert np.abs(served.predict_probabilities(held) - in_memory).max() <= 1e-5
    assert len(served.predict(used)) == len(used)
    for name, content in files().items():
        if name in UNREADABLE:
            with pytest.raises(kt.InputError, match="not decodable"):
                served.predict([content])
    others = [content for name, content in files().items() if name not in UNREADABLE]
    assert len(served.predict(others)) == len(others) == len(files()) - len(UNREADABLE)


def corrupted(content: bytes, rng: random.Random) -> bytes:
    made = bytearray(content)
    how = rng.randrange(5)
    if how == 0:
        return bytes(made[: rng.randrange(len(made))])
    if how == 1:
        for _ in range(rng.randrange(1, 20)):
            made[rng.randrange(len(made))] = rng.randrange(256)
    elif how == 2:
        place = rng.randrange(len(made))
        made[place:place] = rng.randbytes(rng.randrange(1, 50))
    elif how == 3:
        place = rng.randrange(len(made))
        del made[place : place + rng.randrange(1, 50)]
    else:
        place = rng.randrange(len(made))
        made[place : place + 40] = bytes(40)
    return bytes(made)


@pytest.mark.parametrize("kind", KINDS)
def test_random_corruption_is_found_and_never_crashes(kind):
    """Each of 100 corrupted files is left out if and only if decoding it alone fails."""
    rng = random.Random(kind)
    contents = [corrupted(good(kind), rng) for _ in range(100)]
    expected = {index for index, content in enumerate(contents) if not decodes(content)}
    assert {index for index, _ in check_encoded(contents, [f"{i}" for i in range(100)], 32)} == expected
    assert 5 <= len(expected) <= 100


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_in_use_does_not_end_training(tmp_path):
    for name, seed in (("a", 0), ("b", 50)):
        (tmp_path / name).mkdir()
        for number in range(8):
            (tmp_path / name / f"{number}.jpg").write_bytes(good("jpg", seed + number))
    data = kt.data.from_directory(tmp_path, image_size=32, batch_size=4)
    gone, broken, other = map(Path, data.splits["train"].items[:3])
    gone.unlink()
    broken.write_bytes(b"\xff\xd8\xff broken")
    other.write_bytes(good("png", 0))  # a pass over JPEGs has no decoder for it
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    with pytest.warns(kt.DataWarning) as caught:
        history = kt.fine_tune(model, data, schedule=(kt.Phase(1, "head", 1e-3), kt.Phase(1, "all", 1e-3)), verbose=0)
    said = "\n".join(str(each.message) for each in caught)
    assert len(history.epoch) == 2
    assert "The activation cache is not used" in said and "3 images were changed or deleted" in said
    for path in (gone, broken, other):
        assert path.name in said
    assert sum(len(images) for images, _ in data.train) == len(data.splits["train"]), "others take their places"
    with pytest.raises(kt.InputError, match="3 that changed"):
        kt.CachedDataset(model, data, verbose=0)
