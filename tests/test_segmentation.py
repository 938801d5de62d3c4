"""A class for each pixel: from folders of pictures and masks to a model that is trained and judged."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from drawing import write_masks
from PIL import Image
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli.material import material
from keras_transfer.cli.session import app
from keras_transfer.data.masks.fitting import fitted
from keras_transfer.data.pixels.own_size import mask_files
from keras_transfer.data.pixels.resizing import RESIZES
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.decoders import takes_maps
from keras_transfer.models.heads import HEADS
from keras_transfer.serving import SegmentedImage
from keras_transfer.tasks import TASKS
from keras_transfer.tasks.boundaries import boundary_scores
from keras_transfer.training.part_losses import over_parts

NAMES = ("ground", "disc", "box")
DECODERS = [name for name in HEADS.names() if takes_maps(HEADS.find(name))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_masks(tmp_path_factory.mktemp("masks"), 16)


@pytest.fixture(scope="module")
def masked(folder) -> kt.data.ImageData:
    return kt.data.from_masks(folder, image_size=(36, 48), class_names=NAMES, batch_size=4)


def labels_in(data: kt.data.ImageData) -> dict[str, np.ndarray]:
    """Returns the masks of the training pictures by their names."""
    train = data.splits["train"]
    return {path.rsplit("/", 1)[-1]: mask[..., 0] for path, mask in zip(train.items, train.labels, strict=True)}


def test_masks_are_read_as_they_were_drawn(folder, masked):
    assert masked.task is TASKS.find("segmentation") and masked.class_names == NAMES
    for name, mask in labels_in(masked).items():
        drawn = np.array(Image.open(folder / "masks" / name)).astype(int)
        assert np.array_equal(mask, np.where(drawn == 255, -1, drawn))
    images, labels = next(iter(masked.train))
    assert images.shape == (4, 36, 48, 3) and labels.shape == (4, 36, 48, 1) and labels.dtype == tf.int8
    assert "ground 8" in repr(masked) and "13 images" in repr(masked)
    assert masked.counts["train"]["disc"] == sum((mask == 1).sum() for mask in labels_in(masked).values())
    shown = masked.show(4)
    assert len(shown.axes) == 4 and [text.get_text() for text in shown.legends[0].texts] == list(NAMES)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(20, 20), (90, 70), (36, 48), (9, 40)])
def test_masks_are_resized_as_pictures_are(resize, size):
    """What a pixel shows most of is its class, but near outlines, where several are nearly as much."""
    mask = np.kron(np.random.default_rng(0).integers(0, 3, (4, 5)), np.ones((12, 13), int)).astype(np.int16)
    resized = RESIZES.find(resize)(tf.constant(np.eye(3, dtype="float32")[mask]), size).numpy()
    found = fitted(mask, size, resize, -1)
    sure = resized.max(axis=-1) > 0.75
    assert sure.mean() > 0.15 and np.array_equal(found[sure], resized.argmax(axis=-1)[sure])
    assert (found == -1).any() == (resize == "pad" and (resized.sum(axis=-1) < 0.25).any())


MOVING = [
    *("light", "strong", "upright", "mirror", "any_side_up", "trivial", "randaugment"),
    keras.layers.RandomRotation(0.1),
    [keras.layers.RandomTranslation(0.2, 0.2, fill_mode="constant"), "light"],
]


@pytest.mark.parametrize("augment", MOVING, ids=lambda part: getattr(part, "name", str(part)[:12]))
def test_augmentation_moves_picture_and_mask_together(folder, augment):
    """The colour at a pixel says what it shows: red is a disc, blue a box, grey the ground."""
    data = kt.data.from_masks(folder, image_size=(48, 48), class_names=NAMES, batch_size=13, augment=augment)
    agree, every = [], []
    for _ in range(2):
        images, labels = (part.numpy() for part in next(iter(data.train)))
        every.append(labels)
        red, blue = images[..., 0], images[..., 2]
        shape, shown = labels[..., 0] > 0, (np.abs(red - blue) > 60) & (labels[..., 0] >= 0)
        assert set(np.unique(labels)) <= {-1, 0, 1, 2} and shape.any()
        agree.append((shape & shown).sum() / (shape | shown).sum())
    if augment not in ("trivial", "randaugment"):  # which change colours too
        assert np.mean(agree) > 0.75
    assert np.array_equal(every[0], next(iter(replace(data).train))[1])


def test_an_augmentation_that_cannot_move_masks_is_refused(folder):
    for augment in ("augmix", keras.layers.MixUp(), "cutmix"):
        with pytest.raises(kt.InputError, match="moves masks|one class an image"):
            kt.data.from_masks(folder, class_names=NAMES, augment=augment)
    flipped = kt.data.from_masks(
        folder, image_size=(36, 48), class_names=NAMES, augment=lambda image, mask: (image[::-1], mask[::-1])
    )
    plain = replace(flipped, augment="none")
    for (one, other), (image, mask) in zip(flipped.in_order("train", epoch=3), plain.in_order("train"), strict=True):
        assert np.array_equal(one, image[:, ::-1]) and np.array_equal(other, mask[:, ::-1])


@pytest.mark.parametrize("head", DECODERS)
def test_every_decoder_trains_and_tells_shapes(masked, head):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=(36, 48), head=head)
    prefix, suffix = kt.split(model, "features")
    images = np.concatenate([images for images, _ in masked.in_order("validation")])
    history = kt.fine_tune(model, masked, schedule=(kt.Phase(2, "head", 3e-2), kt.Phase(2, "all", 1e-2)), verbose=0)
    assert np.allclose(suffix(prefix(images)), model(images), atol=1e-6)
    report = kt.evaluate(model, masked.validation)
    best = int(np.argmin(history.history["val_loss"]))
    assert report.metrics["loss"] == pytest.approx(history.history["val_loss"][best], rel=0.02)
    assert report.metrics["accuracy"] == pytest.approx(history.history["val_accuracy"][best], abs=1e-5)
    assert report.images == 3 and report.answers == (np.concatenate(
        [labels for _, labels in masked.in_order("validation")]) >= 0).sum()  # fmt: skip
    assert "outlines" in str(report) and report.to_dict()["pictures"] == 3
    flipped = kt.evaluate(model, masked.validation, views="flip")
    assert flipped.metrics["loss"] == pytest.approx(report.metrics["loss"], rel=0.5)


def trained_by(model: keras.Model, batches, epochs: int) -> list[np.ndarray]:
    """Returns the weights after plain `fit` of the head on batches, epoch by epoch."""
    kt.set_trainable(model, "head")
    loss = TASKS.find("segmentation").loss()
    model.compile(keras.optimizers.Adam(1e-2), loss)
    for epoch in range(epochs):
        for pictures, labels in batches(epoch):
            model.train_on_batch(pictures, labels)
    return model.get_weights()


@pytest.mark.parametrize("augment", ["none", "light"])
def test_cached_maps_give_the_same_as_pictures(masked, augment):
    """Also with two views of each picture, whose masks are moved with them."""
    data = replace(masked, augment=augment)
    every = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        every.append(kt.build_model(toy_backbone(), 3, image_size=(36, 48), head="unet"))
    cached, plain = every
    views = {"none": 0, "light": 2}[augment]
    phases = (kt.Phase(2, "head", 1e-2),)
    bare = replace(data, splits={"train": data.splits["train"]})
    kt.fine_tune(cached, bare, schedule=phases, cache=kt.Cache("memory", views=views), verbose=0)
    shown = replace(bare)

    def batches(epoch: int):
        shown.start_epoch(epoch)
        return shown.train

    for one, other in zip(cached.get_weights(), trained_by(plain, batches, 2), strict=True):
        assert np.allclose(one, other, atol=5e-5)


def test_the_report_counts_as_scikit_learn_does():
    from sklearn.metrics import f1_score, jaccard_score, log_loss

    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(4), (3, 8, 9)).astype("float32")
    labels = rng.integers(-1, 4, (3, 8, 9, 1)).astype("int8")
    task = TASKS.find("segmentation")
    report = task.report(outputs, labels, ("a", "b", "c", "d"))
    known = labels[..., 0] >= 0
    true, said = labels[..., 0][known], outputs.argmax(axis=-1)[known]
    assert report.metrics["mean_iou"] == pytest.approx(jaccard_score(true, said, average="macro"))
    assert report.metrics["dice"] == pytest.approx(f1_score(true, said, average="macro"))
    rows = outputs[known] / outputs[known].sum(axis=1, keepdims=True)
    assert report.metrics["loss"] == pytest.approx(log_loss(true, rows), rel=1e-5)
    assert [row["iou"] for row in report.per_class.values()] == pytest.approx(jaccard_score(true, said, average=None))
    of_pixels = TASKS.find("classification").report(outputs[known], true.astype(int), ("a", "b", "c", "d"))
    for name in ("accuracy", "balanced_accuracy", "brier_score", "calibration_error"):
        assert report.metrics[name] == pytest.approx(of_pixels.metrics[name], abs=1e-9)
    in_parts = task.counting(("a", "b", "c", "d"))
    for start in range(3):
        in_parts.add(outputs[start : start + 1], labels[start : start + 1])
    assert in_parts.report().metrics == pytest.approx(report.metrics)
    with pytest.raises(kt.DataError, match="whole numbers from -1 to 3"):
        task.report(outputs, labels + 1, ("a", "b", "c", "d"))


def test_outlines_are_found_within_two_pixels():
    mask = np.zeros((1, 20, 20), int)
    mask[0, 5:15, 5:15] = 1
    for by, found in ((0, 1.0), (2, 1.0), (5, 0.5)):
        score = boundary_scores(np.roll(mask, by, axis=2), mask, 2)[0]
        assert score[1] == pytest.approx(found, abs=0.25 if found < 1 else 1e-9)
    assert np.isnan(boundary_scores(mask * 0, mask * 0, 2)).all()
    hidden = np.where(mask == 1, -1, mask)  # where there is no label there is no outline
    assert np.isnan(boundary_scores(hidden, hidden, 2)).all()


def test_forms_of_masks(folder, tmp_path):
    """Palettes, colours, one mask a class, and what CVAT and PASCAL VOC write are the same masks."""
    wanted = labels_in(kt.data.from_masks(folder, image_size=(36, 48), class_names=NAMES))
    colours = np.array([[9, 9, 9], [200, 0, 0], [0, 0, 200], [255, 255, 255]], np.uint8)
    voc = tmp_path / "voc"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / name).mkdir(parents=True)
    stems = sorted(path.stem for path in (folder / "images").iterdir())
    for stem in stems:
        mask = np.array(Image.open(folder / "masks" / f"{stem}.png"))
        picture = (folder / "images" / f"{stem}.png").read_bytes()
        (voc / "JPEGImages" / f"{stem}.png").write_bytes(picture)
        indexed = Image.fromarray(mask, "P")
        indexed.putpalette(np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8).tobytes())
        indexed.save(voc / "SegmentationClass" / f"{stem}.png")
        for root in ("coloured", "single"):
            (tmp_path / root / "train/images").mkdir(parents=True, exist_ok=True)
            (tmp_path / root / "train/images" / f"{stem}.png").write_bytes(picture)
        (tmp_path / "coloured/train/masks").mkdir(exist_ok=True)
        painted = colours[np.minimum(mask, 3)]
        Image.fromarray(painted).save(tmp_path / "coloured/train/masks" / f"{stem}_mask.png")
        for number, name in enumerate(NAMES[1:], start=1):
            (tmp_path / "single/train/masks" / name).mkdir(parents=True, exist_ok=True)
            if (mask == number).any() and stem != stems[0]:
                Image.fromarray(mask == number).save(tmp_path / "single/train/masks" / name / f"{stem}.png")
    (voc / "ImageSets/Segmentation/train.txt").write_text("\n".join(stems[:13]))
    (voc / "ImageSets/Segmentation/val.txt").write_text("\n".join(stems[13:]))
    (tmp_path / "coloured/labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\n"
        + "\n".join(
            f"{name}:{','.join(map(str, colour))}::" for name, colour in zip(NAMES, colours.tolist(), strict=False)
        )
    )
    size = {"image_size": (36, 48)}
    voc_data = kt.data.from_masks(voc, class_names=NAMES, **size)
    assert (
        list(labels_in(voc_data)) == [f"{stem}.png" for stem in stems[:13]] and len(voc_data.splits["validation"]) == 3
    )
    with pytest.warns(kt.DataWarning, match=re.escape("values that are of no class, #ffffff")):
        cvat = kt.data.from_masks(tmp_path / "coloured", **size)
    by_value = kt.data.from_masks(
        tmp_path / "coloured",
        values=dict(zip(NAMES, map(tuple, colours.tolist()), strict=False)),
        ignore=(255, 255, 255),
        **size,
    )
    (tmp_path / "coloured/labelmap.txt").unlink()
    unnamed = kt.data.from_masks(tmp_path / "coloured", **size)
    assert unnamed.class_names[0] == "#0000c8" and cvat.class_names == by_value.class_names == NAMES
    with pytest.warns(kt.DataWarning, match="has no mask"):
        single = kt.data.from_masks(tmp_path / "single", **size)
    assert single.class_names == ("background", "box", "disc")
    for data in (voc_data, cvat, by_value):
        for name, mask in labels_in(data).items():
            assert name not in wanted or np.array_equal(mask, wanted[name])
    arrays = kt.data.from_arrays(np.zeros((6, 8, 9, 3), "uint8"), np.arange(6 * 72).reshape(6, 8, 9) % 3, image_size=4)
    assert arrays.task is TASKS.find("segmentation") and arrays.splits["train"].labels.shape[1:] == (4, 4, 1)


def test_bad_masks_are_named(folder, tmp_path):
    root = write_masks(tmp_path / "bad", 14)
    (root / "masks/000.png").unlink()
    (root / "images/001.png").unlink()
    (root / "masks/002.png").write_bytes(b"no picture")
    Image.new("L", (9, 9)).save(root / "masks/003.png")
    (root / "images/004.png").write_bytes((root / "images/004.png").read_bytes()[:60])
    odd = np.array(Image.open(root / "masks/005.png"))
    odd[5, 5] = 77
    Image.fromarray(odd).save(root / "masks/005.png")
    with pytest.warns(kt.DataWarning) as warned:
        data = kt.data.from_masks(root, image_size=(36, 48), class_names=NAMES, ignore=[255, 77])
    said = str(warned[0].message)
    for part in ("000.png: has no mask", "001.png: is a mask without a picture", "002.png", "9 x 9", "004.png: "):
        assert part in said
    assert len(data.left_out) == 5 and sum(map(len, data.splits.values())) == 9
    with pytest.warns(kt.DataWarning, match="left out|values that are of no class, 77") as warned:
        kt.data.from_masks(root, image_size=(36, 48), values={"ground": 0, "disc": 1, "box": [2]}, ignore=255)
    assert "values that are of no class, 77: those of images/005.png. These pixels have no label." in str(
        warned[1].message
    )
    jpeg = write_masks(tmp_path / "jpeg", 4)
    for path in (jpeg / "masks").iterdir():
        Image.open(path).point(lambda value: value * 100 % 256).save(path.with_suffix(".jpg"), quality=40)
        path.unlink()
    with pytest.raises(kt.DataError, match="JPEG files, which blur values: save them as PNG"):
        kt.data.from_masks(jpeg, image_size=(36, 48), class_names=NAMES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"class_names": ["a"]}, "a name for each value of the masks, 0, 1, 2"),
        ({"values": {"a": 0, "b": 0}}, "none of them twice"),
        ({"values": {"a": 0, "b": (1, 2, 3)}}, "whole numbers, colours"),
        ({"values": {"a": "red"}}, "Received: 'red'"),
        ({"values": {"a": (0, 0, 300)}}, "each in [0, 255]"),
        ({"class_names": ["a", "b"], "values": {"a": 0}}, "Received: both"),
        ({"values": {"a": 0}}, "2 or more classes"),
    ],
)
def test_legends_that_do_not_fit_are_refused(folder, options, said):
    with pytest.raises(kt.KerasTransferError, match=re.escape(said)):
        kt.data.from_masks(folder, image_size=(36, 48), **options)


def test_folders_without_pictures_and_masks_are_refused(tmp_path):
    with pytest.raises(kt.InputError, match="is not a folder"):
        kt.data.from_masks(tmp_path / "nowhere")
    (tmp_path / "images").mkdir()
    with pytest.raises(kt.DataError, match=re.escape("Received: a folder that holds ['images']")):
        kt.data.from_masks(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(kt.DataError, match="pictures with masks of the same names"):
        kt.data.from_masks(tmp_path)


def test_models_and_data_that_do_not_fit_are_refused(masked, arrays):
    one_answer = kt.build_model(toy_backbone(), 3, image_size=(36, 48))
    with pytest.raises(kt.InputError, match="head for every pixel"):
        kt.fine_tune(one_answer, masked, epochs=1, verbose=0)
    of_pixels = kt.build_model(toy_backbone(), 3, image_size=32, head="fpn")
    with pytest.raises(kt.InputError, match="one class an image"):
        kt.fine_tune(of_pixels, arrays, epochs=1, verbose=0)
    with pytest.raises(kt.InputError, match="Expected no `pooling`"):
        kt.build_model(toy_backbone(), 3, image_size=32, head="fpn", pooling="max")
    with pytest.raises(kt.InputError, match="of the size of one of the maps"):
        kt.build_model(toy_backbone(), 3, image_size=32, head=kt.heads.of_maps(lambda maps, count: maps[2][:, :3]))
    with pytest.raises(kt.InputError, match="uses the coarsest map, of stride 4"):
        finest = kt.heads.of_maps(lambda maps, count: keras.layers.Conv2D(count, 1)(maps[2]))
        kt.build_model(toy_backbone(), 3, image_size=32, head=finest)
    with pytest.raises(kt.InputError, match="so large that the last feature map"):
        kt.build_model(toy_backbone(), 3, image_size=4, head="fpn")
    with pytest.raises(kt.InputError, match="fixed size"):
        kt.build_model(toy_backbone(), 3, image_size=(None, None), head="fpn")
    with pytest.raises(kt.InputError, match="to compare networks. Received: one class a pixel"):
        kt.rank_backbones(masked)
    with pytest.raises(kt.InputError, match="of the size of their masks"):
        replace(masked, image_size=(32, 32))
    with pytest.raises(kt.InputError, match="to solve it"):
        kt.fine_tune(of_pixels, masked_like(of_pixels), schedule="solve", verbose=0)


def masked_like(model: keras.Model) -> kt.data.ImageData:
    """Returns data with masks for a model."""
    _, height, width, _ = model.input_shape
    return kt.data.from_arrays(
        np.zeros((6, height, width, 3), "uint8"),
        np.arange(6 * height * width).reshape(6, height, width) % 3,
        class_names=NAMES,
    )


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_masks_come_back_at_the_size_of_the_picture(resize):
    """A mask that is resized as a picture, and turned back, is itself, but near outlines and beyond what was kept."""
    size = (40, 64)
    mask = np.kron(np.random.default_rng(0).integers(0, 3, (4, 5)), np.ones((20, 17), int))
    picture = tf.io.encode_png(np.zeros((*mask.shape, 3), np.uint8))
    shown = RESIZES.find(resize)(tf.constant(np.eye(3, dtype="float32")[mask]), size)
    (png,) = mask_files(shown[tf.newaxis], picture[tf.newaxis], size, resize).numpy()
    back = np.array(Image.open(io.BytesIO(png)))
    inner = np.kron(np.ones((4, 5), bool), np.pad(np.ones((14, 11), bool), 3))
    kept = back != 255
    assert back.shape == mask.shape and np.array_equal(back[inner & kept], mask[inner & kept])
    assert kept.mean() > 0.6 and (resize != "stretch" or kept.all())


@pytest.fixture(scope="module")
def exported(masked, tmp_path_factory):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=(36, 48), head="linear_maps")
    kt.fine_tune(model, masked, schedule=(kt.Phase(4, "all", 2e-2),), verbose=0)
    return model, kt.export(model, tmp_path_factory.mktemp("masks"), data=masked, views="flip")


def test_an_export_answers_masks_of_the_pictures_own_size(exported, masked, folder, tmp_path):
    model, version = exported
    served = kt.load(version)
    large = tmp_path / "large.jpg"
    Image.open(folder / "images/000.png").resize((200, 150)).save(large, quality=95)
    first, second = served.segment([folder / "images/000.png", large.read_bytes()])
    assert first.class_ids.shape == (36, 48) and second.class_ids.shape == (150, 200)
    assert first.class_names == NAMES and sum(second.shares.values()) == pytest.approx(1)
    pixels = np.array(Image.open(folder / "images/000.png"))[np.newaxis]
    outputs = served.predict_probabilities(pixels)
    flipped = (model(pixels) + model(pixels[:, :, ::-1])[:, :, ::-1]) / 2
    assert np.allclose(outputs, flipped, atol=1e-5)
    assert np.array_equal(first.class_ids, outputs[0].argmax(axis=-1))
    assert np.allclose(served.predict_probabilities([folder / "images/000.png"]), outputs, atol=1e-6)
    small = np.array(Image.fromarray(second.class_ids.astype(np.uint8)).resize((48, 36), Image.Resampling.NEAREST))
    assert (small == first.class_ids).mean() > 0.9
    assert len(second.plot(large).axes) == 1
    with pytest.raises(kt.InputError, match="Expected a picture"):
        second.plot(pixels[0])
    assert "48 x 36: ground" in str(first) and set(first.to_dict()) == {"height", "width", "shares"}
    assert kt.verify(version).passed and (version / "verification.npz").stat().st_size < 500_000
    assert "one class for each pixel of a picture" in (version / "model_card.md").read_text()
    with pytest.raises(kt.InputError, match="use `segment`"):
        served.predict([large])
    with pytest.raises(kt.InputError, match="Received: one of segmentation"):
        served.tag(["a"])


@pytest.mark.slow
def test_the_shell_trains_on_masks(folder, doubles, tmp_path):
    train = ["train", str(folder), "--weights", "none", "--image-size", "36x48", "--epochs", "2"]
    train += ["--class-names", "a,b,c", "--ignore", "255", "--output"]
    said = CliRunner().invoke(app, [*train, str(tmp_path / "out"), "--batch-size", "4", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout.splitlines()[-1])["class_names"] == ["a", "b", "c"]


def test_the_shell_sees_masks_judges_and_writes_masks(folder, doubles, exported, tmp_path):
    built = {"backbone": "MobileNetV2", "weights": None, "pooling": "avg", "head": "linear", "backbone_options": {}}
    read = {"image_size": (36, 48), "resize": "crop", "augment": "none", "batch_size": 4, "validation_split": 0.2}
    read |= {"groups": None, "exclude": (), "quarantine": None, "seed": 0, "class_names": None, "ignore": None}
    model, data, named = material(folder, built, read, lambda name: False, None)
    assert model.output_shape == (None, 36, 48, 3) and data.masked and named == "image"
    runner, version = CliRunner(), str(exported[1])
    said = runner.invoke(app, ["evaluate", version, str(folder), "--json"])
    report = json.loads(said.stdout.splitlines()[-1])
    assert report["pictures"] == 16 and report["class_names"] == list(NAMES) and report["metrics"]["mean_iou"] > 0.2
    (tmp_path / "in/deep").mkdir(parents=True)
    shutil.copy(folder / "images/000.png", tmp_path / "in/deep/a.png")
    (tmp_path / "in/bad.png").write_bytes(b"no picture")
    predict = ["predict", version, str(tmp_path / "in"), "--output", str(tmp_path / "m")]
    for _ in range(2):  # the second call has nothing to do but the table
        said = runner.invoke(app, predict)
        assert said.exit_code == 0, said.output
    assert np.array(Image.open(tmp_path / "m/deep/a.png.png")).shape == (36, 48)
    bad, good = csv.DictReader((tmp_path / "m/masks.csv").read_text().splitlines())
    assert "holds no image" in bad["error"] and sum(float(good[name]) for name in NAMES) == pytest.approx(1, abs=1e-4)
    assert {path.name for path in (tmp_path / "m").rglob("*")} == {"deep", "a.png.png", "masks.csv", ".version"}
    (tmp_path / "m/deep/a.png.png").write_bytes(b"")  # what another program left is written anew
    assert runner.invoke(app, predict).exit_code == 0
    assert np.array(Image.open(tmp_path / "m/deep/a.png.png")).shape == (36, 48)
    (tmp_path / "m/.version").write_text("another\n")
    assert "masks of this version" in runner.invoke(app, predict).output
    for output in ("in", "m.csv"):
        said = runner.invoke(app, [*predict[:4], str(tmp_path / output)])
        assert said.exit_code == 2 and "a folder of its own" in said.output
    inside = [*predict[:4], str(tmp_path / "in/masks")]
    for _ in range(2):
        assert runner.invoke(app, inside).exit_code == 0
    assert not (tmp_path / "in/masks/masks").exists()
    said = runner.invoke(app, ["predict", version, str(tmp_path / "in/deep/a.png")])
    assert "48 x 36: " in said.stdout
    said = runner.invoke(app, ["train", str(folder), "--quarantine", "x.csv", "--weights", "none"])
    assert said.exit_code == 2 and "--quarantine, for those in class folders" in said.output


def test_losses_over_pixels_are_those_of_numpy():
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.ones(3), (2, 4, 5)).astype("float32")
    labels = rng.integers(-1, 3, (2, 4, 5, 1)).astype("int8")
    numbers, known = np.maximum(labels[..., 0], 0), labels[..., 0] >= 0
    right = np.take_along_axis(outputs, numbers[..., None].astype(int), axis=-1)[..., 0]
    entropy = -np.log(right)
    weights = np.array([0.5, 1.0, 4.0])
    hot = np.eye(3)[numbers] * known[..., None]
    overlap = (2 * (hot * outputs).sum() + 1e-7) / (hot.sum() + (outputs * known[..., None]).sum() + 1e-7)
    focal = 0.25 * (1 - right) ** 2 * entropy
    said = {
        "sparse_categorical_crossentropy": entropy[known].mean(),
        "categorical_crossentropy": entropy[known].mean(),
        "dice": 1 - overlap,
        keras.losses.CategoricalFocalCrossentropy(): focal[known].mean(),
        keras.losses.Tversky(alpha=0.5, beta=0.5): 1 - overlap,
        ("sparse_categorical_crossentropy", "dice"): entropy[known].mean() + 1 - overlap,
    }
    for loss, expected in said.items():
        assert float(over_parts(loss)(labels, tf.constant(outputs))) == pytest.approx(expected, rel=1e-5)
    weighed = over_parts("sparse_categorical_crossentropy", dict(enumerate(weights)))
    assert float(weighed(labels, tf.constant(outputs))) == pytest.approx(
        (entropy * weights[numbers])[known].mean(), rel=1e-5
    )
    nothing = over_parts("sparse_categorical_crossentropy")(np.full_like(labels, -1), tf.constant(outputs))
    assert float(nothing) == 0


def test_pixels_are_weighed_and_losses_added_in_training(masked, tmp_path):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=(36, 48), head="fpn")
    options = {"loss": ["sparse_categorical_crossentropy", "dice"], "class_weight": "balanced", "verbose": 0}
    history = kt.fine_tune(model, masked, schedule="feature_extraction", epochs=2, **options)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert sum(masked.class_weights[n] * c for n, c in enumerate(masked.counts["train"].values())) == pytest.approx(
        sum(masked.counts["train"].values())
    )
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    images, labels = next(iter(masked.validation))
    assert again.evaluate(images, labels, verbose=0) == pytest.approx(
        float(over_parts("sparse_categorical_crossentropy")(labels, model(images))), rel=1e-4
    )
    with pytest.raises(kt.InputError, match="one `loss` for one class an image"):
        one = kt.build_model(toy_backbone(), 3, image_size=4)
        few = kt.data.from_arrays(np.zeros((9, 4, 4, 3), "uint8"), np.arange(9) % 3)
        kt.fine_tune(one, few, loss=["dice", "dice"], verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BACKBONES.names()))
def test_every_decoder_on_every_backbone(name):
    """Answers are probabilities at each pixel, also of a size that no stride divides, and a split gives the same."""
    part = BACKBONES.find(name)
    side = max(part.min_image_size, 64) + 43
    keras.utils.set_random_seed(0)
    network = part.build(None, (side, side - 2), None)
    backbone = replace(part, network=network)
    images = np.random.default_rng(0).uniform(0, 255, (1, side, side - 2, 3)).astype("float32")
    for head in DECODERS:
        model = kt.build_model(backbone, 3, image_size=(side, side - 2), head=head)
        for layer in model.layers[-8:]:
            if layer.name.startswith("logits") and layer.weights:
                layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.get_weights()])
        outputs = model(images).numpy()
        assert outputs.shape == (1, side, side - 2, 3) and np.allclose(outputs.sum(axis=-1), 1, atol=1e-5)
        assert np.isfinite(outputs).all() and outputs.std() > 0
        prefix, suffix = kt.split(model, "features")
        assert np.allclose(suffix(prefix(images)), outputs, atol=1e-5)


def test_outlines_of_coco_are_masks(folder, tmp_path):
    """Polygons and run lengths, a picture without objects, and a smaller object over a larger one."""
    from pycocotools import mask as lengths

    disc = np.zeros((36, 48), np.uint8)
    disc[10:14, 12:16] = 1
    run = lengths.encode(np.asfortranarray(disc))
    images = [{"id": n + 1, "file_name": f"{n:03}.png", "height": 36, "width": 48} for n in range(8)]
    images.append({"id": 99, "file_name": "lost.png", "height": 36, "width": 48})
    box = [[4, 4, 30, 4, 30, 24, 4, 24]]
    outlined = [
        {"id": 2 * n + k, "image_id": n + 1, "category_id": category, "segmentation": shape, "area": area, "iscrowd": k}
        for n in range(7)
        for k, category, shape, area in (
            (0, 5, box, 520),
            (1, 9, {"size": [36, 48], "counts": run["counts"].decode()}, 16),
        )
    ]
    content = {
        "images": images,
        "annotations": outlined,
        "categories": [{"id": 9, "name": "disc"}, {"id": 5, "name": "box"}],
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    with pytest.warns(kt.DataWarning, match="lost.png: is named in 'a.json' and is not there"):
        data = kt.data.from_masks(folder / "images", annotations=file, image_size=(36, 48), batch_size=2)
    assert data.class_names == ("background", "box", "disc")
    every = {**labels_in(data), **labels_in(replace(data, splits={"train": data.splits["validation"]}))}
    assert len(every) == 8 and not every["007.png"].any()
    wanted = np.zeros((36, 48), int)
    wanted[4:24, 4:30] = 1
    wanted[disc > 0] = 2
    assert np.mean(every["000.png"] == wanted) > 0.98 and np.array_equal(every["000.png"] == 2, disc > 0)
    outlined[0]["segmentation"] = []
    file.write_text(json.dumps(content))
    with pytest.warns(kt.DataWarning, match="000.png: has an object without an outline in 'a.json'"):
        kt.data.from_masks(folder / "images", annotations={"train": file}, image_size=(36, 48))
    outlined[0] |= {"segmentation": box, "area": None}
    file.write_text(json.dumps(content))
    with pytest.warns(kt.DataWarning, match="lost.png"):
        kt.data.from_masks(folder / "images", annotations=file, image_size=(36, 48))
    wrong = [("images", "height", -1), ("images", "file_name", "../000.png"), ("annotations", "category_id", 4)]
    changed = [{**content, part: [{**content[part][0], key: value}]} for part, key, value in wrong]
    twice = {**content, "images": [images[0], {**images[0], "id": 50}]}
    for broken, said in [
        (text, "as COCO has them") for text in ("{", *map(json.dumps, [*changed, twice, {"images": []}]))
    ]:
        file.write_text(broken)
        with pytest.raises(kt.DataError, match=said):
            kt.data.from_masks(folder / "images", annotations=file)
    with pytest.raises(kt.InputError, match="Received: \\['test'\\]"):
        kt.data.from_masks(folder, annotations={"test": file})
    with pytest.raises(kt.InputError, match="is not there"):
        kt.data.from_masks(folder, annotations=tmp_path / "none.json")
    with pytest.raises(kt.InputError, match="which has both"):
        kt.data.from_masks(folder, annotations=file, class_names=["a"])


def test_the_doctor_looks_at_masks(folder, masked, tmp_path):
    checkup = kt.data.check(folder)
    assert checkup.found == checkup.used == 16 and checkup.counts["train"]["0"] == 16 and not checkup.serious
    assert kt.data.check(masked).counts["train"]["ground"] == 13
    root = write_masks(tmp_path / "train", 8)
    write_masks(tmp_path / "val", 4, seed=3)
    (root / "masks/001.png").unlink()
    shutil.copy(root / "images/002.png", tmp_path / "val/images/000.png")
    odd = np.array(Image.open(tmp_path / "val/masks/001.png"))
    odd[4, 4] = 9
    Image.fromarray(odd).save(tmp_path / "val/masks/001.png")
    Image.new("L", (48, 36)).save(root / "masks/003.png")
    Image.fromarray((np.array(Image.open(root / "masks/004.png")) == 1).astype(np.uint8)).save(root / "masks/004.jpg")
    (root / "masks/004.png").unlink()
    found = kt.data.check(tmp_path)
    kinds = {finding.kind: finding for finding in found.findings}
    assert set(kinds) >= {"unusable", "copies in two splits", "class not in training", "blurred masks", "rare class"}
    assert "9 is in other splits" in str(found) and kinds["one class in a mask"].paths == (root / "images/003.png",)
    assert found.found == 12 and len(found.left_out) == 1 and found.serious
    assert "has no mask" in found._repr_html_()


def test_tiles_are_answered_as_the_whole_picture():
    """Away from the lower and right border, and where what the network sees lies within a tile."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((None, None, 3)), *(
        keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu") for _ in range(3)
    )])  # fmt: skip
    whole, tiled = (kt.build_model(network, 2, image_size=side, head="linear_maps") for side in (224, 96))
    rng = np.random.default_rng(0)
    for one, other in zip(whole.weights, tiled.weights, strict=True):
        values = rng.normal(size=one.shape) if "logits" in one.path else one.numpy()
        one.assign(values)
        other.assign(values)
    picture = rng.integers(0, 256, (224, 200, 3)).astype("uint8")
    padded = np.pad(picture, ((0, 0), (0, 24), (0, 0)))
    found = kt.predict_in_tiles(tiled, picture, overlap=32)
    expected = whole.predict(padded[np.newaxis].astype("float32"), verbose=0)[0, :, :200]
    assert found.shape == (224, 200, 2)
    assert np.abs(found - expected)[:208, :184].max() < 1e-4
    small = kt.predict_in_tiles(tiled, picture[:40, :50])
    assert small.shape == (40, 50, 2)
    with pytest.raises(kt.InputError, match="overlap of 64 pixels or less"):
        kt.predict_in_tiles(tiled, picture, overlap=90)
    with pytest.raises(kt.InputError, match=re.escape("(height, width, 3)")):
        kt.predict_in_tiles(tiled, picture[..., :2])
    with pytest.raises(kt.InputError, match="head for every pixel"):
        kt.predict_in_tiles(kt.build_model(network, 2, image_size=32), picture)


@pytest.mark.parametrize("head", ["linear_maps", "fpn"])
def test_a_temperature_is_folded_into_what_gives_the_logits(folder, head):
    keras.utils.set_random_seed(0)
    data = kt.data.from_masks(folder, image_size=(36, 48), class_names=NAMES, batch_size=4, validation_split=0.4)
    model = kt.build_model(toy_backbone(), 3, image_size=(36, 48), head=head)
    for layer in model.layers:
        if layer.name.startswith("logits") and layer.weights:
            layer.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in layer.get_weights()])
    images, _ = next(iter(data.validation))
    before = model.predict(images, verbose=0)
    with pytest.warns(kt.DataWarning, match="6 images is a guess"):
        found = kt.calibrate(model, data)
    logits = np.log(before.astype(float)) / found.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert found.temperature > 1 and found.after.metrics["loss"] < found.before.metrics["loss"]
    assert np.allclose(model.predict(images, verbose=0), expected, atol=1e-4)
    assert found.after.metrics["accuracy"] == found.before.metrics["accuracy"]
    assert kt.data.compare(data, data, model).first.shape == (10, 16)


def test_an_export_knows_what_the_values_of_its_masks_meant(folder, tmp_path):
    """A folder is judged by the colours of the training, whatever their order, and though it lacks some."""
    colours = {"ground": (0, 0, 0), "disc": (255, 0, 0), "box": (0, 255, 0)}
    shutil.copytree(folder / "images", tmp_path / "data/images")
    (tmp_path / "data/masks").mkdir()
    for path in (folder / "masks").iterdir():
        mask = np.array(Image.open(path))
        painted = np.array([*colours.values(), (255, 255, 255)], np.uint8)[np.minimum(mask, 3)]
        Image.fromarray(painted).save(tmp_path / "data/masks" / path.name)
    white = (255, 255, 255)
    data = kt.data.from_masks(tmp_path / "data", image_size=(36, 48), values=colours, ignore=white, batch_size=4)
    model = kt.build_model(toy_backbone(), 3, image_size=(36, 48), head="linear_maps")
    version = kt.export(model, tmp_path / "versions", data=data, verify=False)
    counts = {name: sum(split[name] for split in data.counts.values()) for name in NAMES}
    for path in sorted((tmp_path / "data/masks").iterdir())[1:]:
        path.unlink()
        (tmp_path / "data/images" / path.name).unlink()
    said = CliRunner().invoke(app, ["evaluate", str(version), str(tmp_path / "data"), "--json"])
    report = json.loads(said.stdout.splitlines()[-1])
    mask = np.array(Image.open(folder / "masks/000.png"))
    assert [report["per_class"][name]["support"] for name in NAMES] == [(mask == number).sum() for number in range(3)]
    assert counts["disc"] > 0 and report["pictures"] == 1


def test_names_that_meet_are_told_apart(tmp_path):
    """Two pictures of one name, two masks of one picture, folders of scenes, other forms of letters."""
    twice = write_masks(tmp_path / "twice", 8)
    Image.open(twice / "images/000.png").save(twice / "images/000.jpg")
    shutil.copy(twice / "masks/001.png", twice / "masks/001_mask.png")
    (twice / "masks/previews").mkdir()
    shutil.copy(twice / "masks/001.png", twice / "masks/previews/001.png")
    size = {"image_size": (36, 48), "class_names": NAMES}
    with pytest.warns(kt.DataWarning) as warned:
        data = kt.data.from_masks(twice, **size)
    said = str(warned[0].message)
    for part in ("has the name of '000.jpg'", "001_mask.png: is a second mask, beside '001.png'", "is a mask without"):
        assert part in said
    assert sum(map(len, data.splits.values())) == 8
    scenes = write_masks(tmp_path / "scenes/a", 6)
    for part in ("images", "masks"):
        (tmp_path / "by" / part).mkdir(parents=True)
        (scenes / part).rename(tmp_path / "by" / part / "zu\u0308rich")
    (tmp_path / "by/masks/zu\u0308rich").rename(tmp_path / "by/masks/z\u00fcrich")
    assert sum(map(len, kt.data.from_masks(tmp_path / "by", **size).splits.values())) == 6


def test_classes_lie_over_each_other_in_the_order_of_their_names(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("9", "10", "background"):
        (tmp_path / "masks" / name).mkdir(parents=True)
    for index in range(4):
        Image.new("RGB", (8, 6), (index, 0, 0)).save(tmp_path / f"images/{index}.png")
        for name, start in (("9", 0), ("10", 2), ("background", 6)):
            mask = np.zeros((6, 8), np.uint8)
            mask[:, start : start + 4] = 255
            Image.fromarray(mask).save(tmp_path / f"masks/{name}/{index}.png")
    data = kt.data.from_masks(tmp_path, image_size=(6, 8))
    assert data.class_names == ("background", "10", "9")
    assert data.splits["train"].labels[0, 0, :, 0].tolist() == [2, 2, 2, 2, 1, 1, 0, 0]


def test_lists_of_voc_name_files_with_blanks(folder, tmp_path):
    for source, name in (("images", "JPEGImages"), ("masks", "SegmentationClass")):
        (tmp_path / name).mkdir()
        for path in (folder / source).iterdir():
            shutil.copy(path, tmp_path / name / f"my {path.name}")
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\ufeffmy 000\nmy 001.png\nmy 002\nmy 003\nlost\n")
    (lists / "val.txt").write_text("my 004\nmy 005\n")
    with pytest.warns(kt.DataWarning, match="lost: is listed in 'train.txt', and has no picture with a mask"):
        data = kt.data.from_masks(tmp_path, image_size=(36, 48), class_names=NAMES)
    assert [len(data.splits[split]) for split in ("train", "validation")] == [4, 2]
    (lists / "train.txt").write_text("nothing\n")
    with pytest.raises(kt.DataError, match="none that fits"):
        kt.data.from_masks(tmp_path, image_size=(36, 48), class_names=NAMES)


def test_orientation_counts_where_decoding_turns_pictures(folder, tmp_path):
    """That is in JPEG files alone; and files that announce too many pixels are named."""
    root = write_masks(tmp_path / "turned", 8)
    turned = Image.Exif()
    turned[0x0112] = 6
    png, jpeg = (Image.open(root / f"images/00{index}.png") for index in (0, 1))
    png.save(root / "images/000.png", exif=turned)
    jpeg.save(root / "images/001.jpg", exif=turned)
    (root / "images/001.png").unlink()
    Image.open(root / "masks/001.png").transpose(Image.Transpose.ROTATE_270).save(root / "masks/001.png")
    Image.new("1", (14_000, 14_000)).save(root / "masks/002.png")
    with pytest.warns(kt.DataWarning, match="002.png: has a mask, '002.png', that has more than 89,478,485 pixels"):
        data = kt.data.from_masks(root, image_size=(36, 48), class_names=NAMES)
    assert len(data.left_out) == 1 and sum(map(len, data.splits.values())) == 7
    grey = SegmentedImage(np.zeros((36, 48), np.int16), NAMES, b"")
    assert grey.plot(root / "images/000.png").axes and grey.plot(np.zeros((36, 48))).axes
