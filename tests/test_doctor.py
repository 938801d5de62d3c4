"""The doctor: what is wrong with a set of images, by name, and what a quarantine does about it."""

from __future__ import annotations

import io
import json
import random

import numpy as np
import pytest
from drawing import scene, write_pictures
from PIL import Image
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli import app


def kinds(checkup) -> dict[str, int]:
    return {kind: len(findings) for (_, kind), findings in checkup.by_kind().items()}


def save(picture: Image.Image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path):
    """Pictures that differ, in two splits of two classes."""
    number = 0
    for split, count in (("train", 12), ("val", 3)):
        for name in ("a", "b"):
            for index in range(count):
                save(scene(number), tmp_path / "photos" / split / name / f"{index}.jpg", quality=92)
                number += 1
    return tmp_path / "photos"


def test_a_good_set_has_nothing_to_complain_of(photos):
    checkup = kt.data.check(photos)
    assert checkup.found == checkup.used == 30 and not checkup.serious and not checkup.findings
    assert checkup.counts == {"train": {"a": 12, "b": 12}, "validation": {"a": 3, "b": 3}}
    assert checkup.sizes["height"] == (160, 160, 160)
    assert str(checkup).endswith("nothing to complain of")


def test_copies_are_found_wherever_they_are(photos):
    stored = Image.open(photos / "train" / "a" / "0.jpg")
    small = stored.resize((stored.width * 9 // 10, stored.height * 9 // 10))
    leak = save(small, photos / "val" / "a" / "leak.jpg", quality=80)
    save(Image.open(photos / "train" / "a" / "1.jpg"), photos / "train" / "b" / "wrong.jpg", quality=80)
    save(Image.open(photos / "train" / "b" / "2.jpg"), photos / "train" / "b" / "again.jpg", quality=80)
    checkup = kt.data.check(photos)
    assert kinds(checkup) == {"copies in two splits": 1, "copies in two classes": 1, "copies in one class": 1}
    assert checkup.serious
    assert set(checkup.quarantine()) == {leak, photos / "train" / "a" / "1.jpg", photos / "train" / "b" / "wrong.jpg"}
    assert "train/a/0.jpg = val/a/leak.jpg: the same picture in train and in validation" in str(checkup)


def test_flat_pictures_are_copies_only_if_their_bytes_are_equal(photos):
    for index, name in enumerate(("white1", "white2", "grey")):
        colour = (200, 200, 200) if index == 2 else (255, 255, 255)
        save(Image.new("RGB", (64, 64), colour), photos / "train" / "a" / f"{name}.jpg")
    (finding,) = kt.data.check(photos).findings
    assert [path.stem for path in finding.paths] == ["white1", "white2"]


def test_oddities_are_pointed_out(photos):
    train = photos / "train" / "a"
    save(scene(90).convert("CMYK"), train / "cmyk.jpg", quality=90)
    save(scene(91, side=24), train / "tiny.jpg")
    frames = [scene(92), scene(93)]
    save(frames[0], train / "moving.gif", save_all=True, append_images=frames[1:])
    deep = np.asarray(scene(94).convert("L")).astype("uint16") * 257
    save(Image.fromarray(deep), train / "deep.png")
    (photos / "train" / "phone.jxl").write_bytes(b"x")
    save(scene(95), photos / "train" / "loose.jpg")
    found = kinds(kt.data.check(photos))
    expected = {
        "only one of its format": 2,
        "tiny": 1,
        "CMYK": 1,
        "several pictures": 1,
        "more than 8 bits": 1,
        "other formats": 1,
    }
    assert found == {**expected, "outside the class folders": 1}


def test_numbers_of_images_are_judged(tmp_path):
    write_pictures(tmp_path / "one", classes=("red",))
    assert kinds(kt.data.check(tmp_path / "one"))["one class"] == 1
    for index in range(40):
        save(scene(index), tmp_path / "uneven" / "train" / "a" / f"{index}.jpg")
    save(scene(50), tmp_path / "uneven" / "train" / "b" / "0.jpg")
    save(scene(51), tmp_path / "uneven" / "val" / "a" / "0.jpg")
    save(scene(52), tmp_path / "uneven" / "val" / "c" / "0.jpg")
    found = kinds(kt.data.check(tmp_path / "uneven"))
    assert found == {"class of one image": 1, "class missing": 1, "uneven classes": 1}
    missing = [each for each in kt.data.check(tmp_path / "uneven").findings if each.kind == "class missing"]
    assert [each.message for each in missing] == [
        "validation has images of c, and train has none",
        "validation has no image of b",
    ]


def test_what_is_no_set_of_images_is_refused(tmp_path):
    with pytest.raises(kt.InputError, match="which is not a folder"):
        kt.data.check(tmp_path / "nowhere")
    with pytest.raises(kt.InputError, match="Received none"):
        kt.data.check(tmp_path)


def test_a_quarantine_is_honoured(photos, tmp_path):
    (photos / "train" / "a" / "half.jpg").write_bytes((photos / "train" / "a" / "0.jpg").read_bytes()[:900])
    name = photos / "val" / "b" / "a, copy\nwith a line break.jpg"
    name.write_bytes((photos / "train" / "b" / "0.jpg").read_bytes())
    checkup = kt.data.check(photos)
    checkup.save_quarantine(tmp_path / "quarantine.csv")
    with pytest.warns(kt.DataWarning, match="is in quarantine"):
        data = kt.data.from_directory(photos, image_size=32, quarantine=tmp_path / "quarantine.csv")
    assert {item.path for item in data.left_out} == set(checkup.quarantine()) == {name, photos / "train/a/half.jpg"}
    assert name.is_file(), "nothing is deleted"
    with pytest.raises(kt.InputError, match="Expected a CSV file"):
        kt.data.from_directory(photos, quarantine=tmp_path / "nowhere.csv")
    (tmp_path / "other.csv").write_text("file\nx\n")
    with pytest.raises(kt.InputError, match="a column 'image'"):
        kt.data.from_directory(photos, quarantine=tmp_path / "other.csv")


def test_every_source_can_be_checked(photos):
    folder = kt.data.check(kt.data.from_directory(photos, image_size=32))
    assert folder.used == 30 and not folder.findings
    encoded = kt.data.ImageData(
        {"train": kt.data.Examples(np.array([p.read_bytes() for p in sorted(photos.rglob("*.jpg"))], object),
                                   np.arange(30) % 2, encoded=True)},
        ("a", "b"), (32, 32),
    )  # fmt: skip
    assert kt.data.check(encoded).sizes["width"] == (213, 213, 213)


def test_the_page_shows_what_was_found_and_can_be_written(photos, tmp_path):
    (photos / "train" / "a" / "<b>.jpg").write_bytes(b"no picture")
    (photos / "val" / "a" / "leak.jpg").write_bytes((photos / "train" / "a" / "0.jpg").read_bytes())
    checkup = kt.data.check(photos)
    text = checkup.save_page(tmp_path / "page.html").read_text()
    assert text == checkup._repr_html_() and text.count("data:image/jpeg;base64") == 2
    assert "&lt;b&gt;.jpg" in text and "<b>.jpg" not in text and "copies in two splits (1)" in text


def test_the_shell_command_tells_by_its_exit_code(photos, doubles, tmp_path):
    run = lambda *arguments: CliRunner().invoke(app, ["check", *map(str, arguments)])  # noqa: E731
    good = run(photos, "--json")
    assert good.exit_code == 0 and json.loads(good.stdout.splitlines()[-1])["serious"] is False
    (photos / "train" / "a" / "bad.jpg").write_bytes(b"no picture")
    bad = run(photos, "--page", tmp_path / "page.html", "--quarantine", tmp_path / "quarantine.csv")
    assert bad.exit_code == 1 and "serious: unreadable (1)" in bad.stdout and (tmp_path / "page.html").is_file()
    assert run(tmp_path / "nowhere").exit_code == 2
    assert run(photos, "--page", "/dev/null/x/page.html").exit_code == 2


@pytest.mark.slow
def test_the_shell_trains_without_what_is_in_quarantine(photos, doubles, tmp_path):
    (photos / "train" / "a" / "bad.jpg").write_bytes(b"no picture")
    CliRunner().invoke(app, ["check", str(photos), "--quarantine", str(tmp_path / "quarantine.csv")])
    options = ["--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none", "--image-size", "32"]
    options += ["--epochs", "1", "--quarantine", tmp_path / "quarantine.csv", "--output", tmp_path / "out"]
    options += ["--augment", "light", "--augment", "mixup"]
    trained = CliRunner().invoke(app, ["train", str(photos), *map(str, options)])
    assert trained.exit_code == 0 and "is in quarantine" in trained.stderr


@pytest.mark.real
def test_ants_and_bees(real_data, tmp_path):
    """The placeholder is pointed at; of 20 planted copies 19 or more are found; no other pair is."""
    source = real_data / "hymenoptera"
    clean = kt.data.check(source)
    odd = [finding for finding in clean.findings if finding.kind == "only one of its format"]
    assert [finding.paths[0].name for finding in odd] == ["imageNotFound.gif"]
    already = {path for finding in clean.findings if finding.kind.startswith("copies") for path in finding.paths}

    for path in source.rglob("*.*"):
        target = tmp_path / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    originals = random.Random(0).sample(sorted((source / "train").rglob("*.jpg")), 20)
    for index, path in enumerate(originals):
        picture = Image.open(path).convert("RGB")
        small = picture.resize((round(picture.width * 0.9), round(picture.height * 0.9)))
        small.save(tmp_path / "val" / path.parent.name / f"renamed{index}.jpg", quality=80)
    checkup = kt.data.check(tmp_path)
    found, false = set(), []
    for finding in checkup.findings:
        if not finding.kind.startswith("copies"):
            continue
        planted = {path.name for path in finding.paths if path.name.startswith("renamed")}
        found |= planted
        if not planted and not {source / path.relative_to(tmp_path) for path in finding.paths} <= already:
            false.append(finding)
    assert len(found) >= 19 and not false


def test_a_thumbnail_of_what_cannot_be_decoded_is_a_word(photos):
    content = io.BytesIO()
    scene(3).save(content, "JPEG")
    (photos / "train" / "a" / "half.jpg").write_bytes(content.getvalue()[:300])
    (photos / "train" / "a" / "whole.jpg").write_bytes((photos / "train" / "a" / "0.jpg").read_bytes())
    page = kt.data.check(photos)._repr_html_()
    assert page.count("<div class='gone'>no picture</div>") == 1 and page.count("<img ") == 2, "the copies are shown"


def test_the_form_of_the_data_is_said_before_training(tmp_path):
    for name in ("9", "10"):
        (tmp_path / name).mkdir()
        for number in range(3):
            values = np.random.default_rng([int(name), number]).integers(0, 4096, (64, 64)).astype("uint16")
            Image.fromarray(values).save(tmp_path / name / f"{number}.png")
    found = kt.data.check(tmp_path, image_size=32).by_kind()
    (order,), (deep,) = found["note", "order of classes"], found["note", "more than 8 bits"]
    assert order.message.startswith("9, 10 ...") and "up to 4095" in deep.message and len(deep.paths) == 6


@pytest.mark.filterwarnings("ignore:The images have values")
def test_pixels_that_are_scaled_are_said():
    images = np.random.default_rng(0).uniform(0, 1, (8, 40, 40, 3)).astype("float32")
    (found,) = kt.data.check(kt.data.from_arrays(images, np.arange(8) % 2)).by_kind()["warning", "range of pixels"]
    assert "pixel_range=" in found.message
