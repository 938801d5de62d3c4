"""Formats that TensorFlow cannot decode: the right pixels of each, in training, in an export and from the shell."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow
from networks import toy_backbone
from PIL import Image

import keras_transfer as kt
from keras_transfer.data.files import check_files
from keras_transfer.data.formats import FORMATS
from keras_transfer.data.formats.naming import image_format
from keras_transfer.data.formats.translating import as_bmp, picture_of

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (24, 20, 3)).astype("uint8")
GREY = COLOUR[..., 0]
DEEP = (np.arange(24 * 20).reshape(24, 20) * 8).astype("uint16")  # up to 3832: 12 bits
SAME = {"image_size": (24, 20), "resize": "stretch", "batch_size": 8, "validation_split": 0.5}


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def tiff(values: np.ndarray, **options) -> bytes:
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def dicom(values: np.ndarray, photometric="MONOCHROME2", **elements) -> bytes:
    """Writes a DICOM file; several frames where there are three axes, colours where the last of them is 3."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = SecondaryCaptureImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    in_colour = values.shape[-1] == 3
    made.Rows, made.Columns = values.shape[-3:-1] if in_colour else values.shape[-2:]
    if values.ndim == 3 and not in_colour:
        made.NumberOfFrames = len(values)
    made.SamplesPerPixel, made.PlanarConfiguration = (3, 0) if in_colour else (1, 0)
    made.PhotometricInterpretation = photometric
    made.BitsAllocated = made.BitsStored = values.dtype.itemsize * 8
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(made, name, value)
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def grey(values) -> np.ndarray:
    return np.repeat(np.asarray(values)[..., np.newaxis], 3, axis=-1)


def scaled(values, black, white) -> np.ndarray:
    return grey(((values.astype("float64") - black) * 255 / (white - black)).clip(0, 255).round())


HOUNSFIELD = (DEEP.astype("int32") - 1000).astype("int16")
SPREAD = np.linspace(-3, 5, 480).reshape(24, 20).astype("float32")
CASES = {
    "tiff colour": (".tif", tiff(COLOUR), COLOUR),
    "tiff lzw": (".tiff", saved(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"), COLOUR),
    "tiff grey": (".tif", saved(Image.fromarray(GREY), "TIFF"), grey(GREY)),
    "tiff 16 bits": (".tif", saved(Image.fromarray(DEEP), "TIFF"), scaled(DEEP, 0, 4095)),
    "tiff 16 bits big endian": (".tif", tiff(DEEP, byteorder=">"), scaled(DEEP, 0, 4095)),
    "tiff 16 bits colour": (".tif", tiff(COLOUR.astype("uint16") * 16, photometric="rgb"), None),
    "tiff 32 bits": (".tif", tiff(DEEP.astype("uint32") * 2**12), scaled(DEEP, 0, 4096)),
    "tiff int16": (".tif", tiff(HOUNSFIELD), scaled(DEEP, 0, 3832)),
    "tiff float32": (".tif", tiff(SPREAD), scaled(SPREAD, -3, 5)),
    "tiff float32 from 0 to 1": (".tif", tiff((SPREAD + 3) / 10), scaled((SPREAD + 3) / 10, 0, 1)),
    "tiff float64": (".tif", tiff(SPREAD.astype("float64")), scaled(SPREAD, -3, 5)),
    "tiff transparent": (".tif", saved(Image.fromarray(np.dstack([COLOUR, GREY])), "TIFF"), COLOUR),
    "tiff bilevel": (".tif", saved(Image.fromarray(GREY > 99), "TIFF"), grey((GREY > 99) * 255)),
    "ppm": (".ppm", saved(Image.fromarray(COLOUR), "PPM"), COLOUR),
    "pgm": (".pgm", saved(Image.fromarray(GREY), "PPM"), grey(GREY)),
    "pgm 12 bits": (".pgm", b"P5 20 24 4095\n" + DEEP.astype(">u2").tobytes(), scaled(DEEP, 0, 4095)),
    "jpeg 2000": (".jp2", saved(Image.fromarray(COLOUR), "JPEG2000", irreversible=False), COLOUR),
    "npy": (".npy", npy(COLOUR), COLOUR),
    "npy grey": (".npy", npy(GREY), grey(GREY)),
    "npy float": (".npy", npy(COLOUR / 255), COLOUR),
    "npy bool": (".npy", npy(GREY > 99), grey((GREY > 99) * 255)),
    "dicom 8 bits": (".dcm", dicom(GREY), grey(GREY)),
    "dicom colour": (".dcm", dicom(COLOUR, "RGB"), COLOUR),
    "dicom 12 bits": (".dcm", dicom(DEEP), scaled(DEEP, 0, 4095)),
    "dicom window": (".dcm", dicom(DEEP, WindowCenter=1000, WindowWidth=401), scaled(DEEP, 799.5, 1199.5)),
    "dicom windows": (".dcm", dicom(DEEP, WindowCenter=[1000, 5], WindowWidth=[401, 9]), scaled(DEEP, 799.5, 1199.5)),
    "dicom slope": (
        ".dcm",
        dicom(DEEP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=500, WindowWidth=1001),
        scaled(DEEP * 2.0 - 1000, -0.5, 999.5),
    ),
    "dicom slope without window": (
        ".dcm",
        dicom(DEEP, RescaleSlope=1, RescaleIntercept=-1000),
        scaled(DEEP, 0, 3832),
    ),
    "dicom exact window": (
        ".dcm",
        dicom(DEEP, WindowCenter=1000, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"),
        scaled(DEEP, 800, 1200),
    ),
    "dicom inverted": (".dcm", dicom(DEEP, "MONOCHROME1"), 255 - scaled(DEEP, 0, 4095)),
    "dicom 8 bits inverted": (".dcm", dicom(GREY, "MONOCHROME1"), 255 - grey(GREY)),
}


def _short(value: object) -> str:
    """Names a parameter; bytes are not the same in every process, as DICOM numbers each file anew."""
    return "bytes" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("name", mostly_slow(sorted(CASES, key=lambda name: list(CASES).index(name) % 2), fast=16))
def test_each_form_has_the_right_pixels(name, tmp_path):
    suffix, content, expected = CASES[name]
    expected = np.round(COLOUR * 16.0 * 255 / 4095) if expected is None else expected
    for number in range(4):
        folder = tmp_path / "x" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}{suffix}").write_bytes(content)
    data = kt.data.from_directory(tmp_path / "x", **SAME)
    images = np.concatenate([images for images, _ in data.train])
    assert np.abs(images - expected).max() <= 1, np.abs(images - expected).max()
    assert not data.left_out


def test_lossy_formats_are_read():
    from pillow_heif import from_pillow

    smooth = Image.fromarray(COLOUR[:4, :4]).resize((64, 64), Image.Resampling.BICUBIC)
    heic = io.BytesIO()
    from_pillow(smooth).save(heic, quality=99)
    for kind, content in (("HEIC", heic.getvalue()), ("AVIF", saved(smooth, "AVIF", quality=99))):
        assert image_format(content[:132]) == kind
        found = tf.io.decode_bmp(as_bmp(content)).numpy().astype(float)
        assert np.abs(found - np.asarray(smooth)).mean() < 6, kind


@pytest.mark.parametrize("syntax", ["RLE", "JPEG2000"])
def test_compressed_dicom_files_are_read(syntax):
    from pydicom import dcmread
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless, RLELossless

    made = dcmread(io.BytesIO(dicom(DEEP)))
    if syntax == "RLE":
        made.compress(RLELossless)
    else:
        made.PixelData = encapsulate([saved(Image.fromarray(DEEP), "JPEG2000", irreversible=False, no_jp2=True)])
        made["PixelData"].VR = "OB"
        made.file_meta.TransferSyntaxUID = JPEG2000Lossless
    file = io.BytesIO()
    made.save_as(file)
    assert (picture_of(file.getvalue()).values == DEEP).all()


def test_a_window_of_ones_own_takes_the_place_of_that_of_the_file(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.dcm").write_bytes(dicom(DEEP, WindowCenter=50, WindowWidth=10))
    data = kt.data.from_directory(tmp_path, pixel_range=(500, 2500), **SAME)
    (images, _), *_ = data.train
    assert np.abs(images[0] - scaled(DEEP, 500, 2500)).max() <= 1


PAGES = np.stack([GREY, 255 - GREY, GREY // 2])


@pytest.mark.parametrize(
    ("suffix", "content"),
    mostly_slow(
        [(".tif", tiff(PAGES, photometric="minisblack")), (".dcm", dicom(PAGES)), (".npy", npy(PAGES[..., np.newaxis]))]
    ),
    ids=_short,
)
def test_files_with_several_pages(suffix, content, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}{suffix}").write_bytes(content)

    def first(**options):
        return next(iter(kt.data.from_directory(tmp_path, **SAME, **options).train))[0][0].numpy()

    assert np.abs(first() - grey(GREY)).max() == 0
    assert np.abs(first(pages=2) - grey(255 - GREY)).max() == 0
    each = kt.data.from_directory(tmp_path, pages="each", **SAME)
    assert sum(len(examples) for examples in each.splits.values()) == 18
    sides = [{item.split("#")[0] for item in examples.items} for examples in each.splits.values()]
    assert not sides[0] & sides[1], "the pages of a file are on one side"
    assert not each.changed_files()
    with pytest.raises(kt.DataError), pytest.warns(kt.DataWarning, match="has 3 pages, and no page 9"):
        kt.data.from_directory(tmp_path, pages=9, **SAME)
    again = kt.data.from_dataframe(kt.data.save_split(each, tmp_path / "s.csv"), split_column="split", **SAME)
    assert sorted(again.splits["train"].items) == sorted(each.splits["train"].items)
    found = kt.data.check(each)
    assert "<img" in found._repr_html_() or not found.findings
    with pytest.warns(kt.DataWarning, match="is excluded"):
        kept = kt.data.from_directory(tmp_path, pages="each", exclude=[f"0{suffix}"], **SAME)
    assert len(kept.left_out) == 6


@pytest.mark.parametrize("pages", [0, "all", True, 1.5])
def test_other_pages_are_refused(pages, pictures):
    with pytest.raises(kt.InputError, match="'each', or the number of a page"):
        kt.data.from_directory(pictures, pages=pages, **SAME)


def bad_files():
    yield "cut.tif", tiff(COLOUR)[:300], "cannot be decoded"
    yield "cut.ppm", saved(Image.fromarray(COLOUR), "PPM")[:300], "cannot be decoded"
    yield "cut.npy", npy(COLOUR)[:300], "cannot be decoded"
    yield "cut.dcm", dicom(GREY)[:400], "without a picture"
    yield "cut.jp2", saved(Image.fromarray(COLOUR), "JPEG2000")[:90], "cannot be decoded"
    yield "cut.avif", saved(Image.fromarray(COLOUR), "AVIF")[:60], "cannot be decoded"
    yield "no.dcm", dicom(GREY)[:132], "without a picture|cannot be decoded"
    yield "table.npy", npy(np.zeros((3, 4, 5))), r"holds an array \(3, 4, 5\)"
    yield "words.npy", npy(np.array([["a"]])), "holds an array"
    yield "code.npy", b"\x93NUMPY" + b"\x01\x00\xff", "cannot be decoded"
    yield "seven.tif", tiff(np.zeros((8, 8, 7), "uint8"), photometric="minisblack", planarconfig="contig"), "7"
    yield "other.tif", saved(Image.fromarray(COLOUR), "PPM"), "is named .tif but holds PNM"
    yield "huge.ppm", b"P6 90000 90000 255\n", "exceeds limit"
    yield "empty.dcm", b"", "is empty"


@pytest.mark.parametrize(("name", "content", "reason"), [*bad_files()], ids=lambda value: str(value)[:9])
def test_a_damaged_file_is_left_out_with_the_reason(name, content, reason, tmp_path):
    import re

    (tmp_path / name).write_bytes(content)
    (left_out,) = check_files([tmp_path / name], 32)
    assert re.search(reason, left_out.reason), left_out.reason
    assert "\n" not in left_out.reason


@pytest.mark.parametrize(
    ("library", "name", "content", "extra"),
    [
        ("pydicom", "x.dcm", dicom(GREY), "dicom"),
        ("pillow_heif", "x.heic", b"\0\0\0\x18ftypheic" + b"\0" * 9, "heic"),
        ("tifffile", "x.tif", tiff(HOUNSFIELD), "tiff"),
    ],
    ids=_short,
)
def test_a_library_that_is_missing_is_named(library, name, content, extra, tmp_path, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == library else real(asked))
    (tmp_path / name).write_bytes(content)
    (left_out,) = check_files([tmp_path / name], 32)
    assert f"pip install 'keras-transfer[{extra}]'" in left_out.reason


def test_files_that_go_bad_while_training_are_replaced(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(4):
            (tmp_path / name / f"{number}.tif").write_bytes(tiff(COLOUR))
    data = kt.data.from_directory(tmp_path, **SAME)
    gone = data.splits["train"].items[0]
    (tmp_path / gone).write_bytes(tiff(COLOUR)[:200])
    images = np.concatenate([images for images, _ in data.train])
    assert len(images) == 4 and (images == COLOUR).all()
    (replaced,) = data.replaced()
    assert str(replaced.path) == gone and "cannot be decoded" in replaced.reason


def test_black_pictures_keep_their_last_bytes(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.ppm").write_bytes(saved(Image.fromarray(COLOUR * 0), "PPM"))
    (images, _), *_ = kt.data.from_directory(tmp_path, **SAME).train
    assert images.numpy().max() == 0


def test_the_version_answers_the_same_files(tmp_path):
    for name, factor in (("a", 1), ("b", 2)):
        (tmp_path / "x" / name).mkdir(parents=True)
        for number in range(3):
            values = DEEP // factor
            (tmp_path / "x" / name / f"{number}.dcm").write_bytes(dicom(values, "MONOCHROME1"))
    data = kt.data.from_directory(tmp_path / "x", image_size=32)
    assert data.pixel_range == (0, 4095)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    model.layers[-2].set_weights([RNG.normal(size=weight.shape) for weight in model.layers[-2].get_weights()])
    version = kt.export(model, tmp_path / "served", data=data)
    described = json.loads((version / "keras_transfer.json").read_text())
    assert described["pixel_range"] == [0, 4095] and "as_png" in described["other_formats"]
    paths = list(data.splits["validation"].items)
    (images, _), *_ = data.validation
    trained = model.predict(images, verbose=0)
    served = kt.load(version)
    assert np.abs(served.predict_probabilities(paths) - trained).max() < 1e-5
    contents = [kt.data.as_png(path, data.pixel_range) for path in paths]
    raw = tf.saved_model.load(str(version)).signatures["serving_default"](image_bytes=tf.constant(contents))
    assert np.abs(raw["probabilities"] - trained).max() < 1e-5, "what a client sends"
    assert "expected" not in str(kt.verify(version, data=data))
    with pytest.raises(kt.InputError, match="without a picture"):
        served.predict([dicom(GREY)[:400]])


def test_every_format_has_a_case():
    suffixes = {suffix for suffix, *_ in CASES.values()} | {".heic", ".avif"}  # lossy: a test of their own
    for name in FORMATS.names():
        assert FORMATS.find(name).open is None or suffixes & set(FORMATS.find(name).suffixes), name
