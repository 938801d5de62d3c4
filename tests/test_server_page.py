"""The page, in a real browser: a picture, text or recording is given, explained, and what goes wrong said in words."""

from __future__ import annotations

import base64
import json
import shutil
from contextlib import ExitStack

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from recording import wav

import keras_transfer as kt
from keras_transfer.server import Limits, Server

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
FAKE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # a microphone that beeps
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, or the one that `playwright install chromium` puts in place."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with playwright.sync_playwright() as started:
        try:
            launched = started.chromium.launch(executable_path=found, args=["--no-sandbox", *FAKE])
        except playwright.Error as error:
            pytest.skip(f"no browser: install Chromium, or run `playwright install chromium`. {str(error)[:200]}")
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def server(served_colours, tmp_path_factory):
    folder = shutil.copytree(served_colours, tmp_path_factory.mktemp("page") / "colours & <b>more<b>")
    with Server(folder, port=0, grpc_port=0, page=True, limits=Limits(max_body=2**20)) as started:
        yield started


@pytest.fixture
def page(browser, server):
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    opened.set_default_timeout(10_000)
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    opened.goto(server.url)
    yield opened
    opened.close()
    assert not problems


def choose(page, file) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("#drop")
    chooser.value.set_files(file)


def drop(page, name: str, kind: str, content: bytes) -> None:
    """Drops a file on the page, as the browser does when the mouse lets go of it."""
    transfer = page.evaluate_handle(
        """([name, kind, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), letter => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, {type: kind}));
            return transfer;
        }""",
        [name, kind, base64.b64encode(content).decode()],
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def pixels(page, canvas: str) -> np.ndarray:
    values, width = page.evaluate(
        """id => {
            const canvas = document.getElementById(id);
            const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return [Array.from(data), canvas.width];
        }""",
        canvas,
    )
    return np.array(values).reshape(-1, width, 4)


def test_a_chosen_picture_shows_classes_and_where_the_network_looked(page, server, pictures, tmp_path):
    choose(page, pictures / "red" / "0.jpg")
    page.wait_for_selector("#heat[data-class]")
    expected = kt.load(server.servables.path).predict([pictures / "red" / "0.jpg"])[0]
    rows = page.locator("#classes button")
    assert rows.count() == 3
    ranked = sorted(expected.probabilities.items(), key=lambda item: -item[1])
    assert rows.locator(".name").all_inner_texts() == [name for name, _ in ranked]
    assert rows.locator(".number").all_inner_texts() == [f"{100 * value:.1f} %" for _, value in ranked]
    first_bar = (
        rows.first.locator(".bar").bounding_box()["width"] / rows.first.locator(".track").bounding_box()["width"]
    )
    assert first_bar == pytest.approx(ranked[0][1], abs=0.01)

    seen = tf.saved_model.load(str(server.servables.path / "1")).signatures["decode_images"](
        image_bytes=tf.constant([(pictures / "red" / "0.jpg").read_bytes()])
    )
    assert np.array_equal(pixels(page, "image")[..., :3], seen["images"][0].numpy())
    screenshot = page.screenshot()
    colours = tf.reshape(tf.io.decode_png(screenshot)[..., :3], (-1, 3)).numpy()
    assert len(np.unique(colours, axis=0)) > 200, "the screenshot is not blank"
    assert "curl " + server.url in page.locator("#command").text_content()


def test_a_click_on_a_class_shows_where_the_network_looked_for_it(page, server, pictures):
    content = (pictures / "red" / "1.jpg").read_bytes()
    graph = tf.saved_model.load(str(server.servables.path / "1"))
    asked = graph.signatures["explain"](
        image_bytes=tf.constant([content] * 3), class_ids=tf.constant([0, 1, 2], tf.int64)
    )
    maps = asked["heat_maps"].numpy()
    choose(page, pictures / "red" / "1.jpg")
    page.wait_for_selector("#heat[data-class]")
    first = int(page.locator("#classes button").first.get_attribute("data-id"))
    wanted = max(range(3), key=lambda index: np.abs(maps[index] - maps[first]).max())
    before = pixels(page, "heat")
    page.click(f"#classes button[data-id='{wanted}']")
    page.wait_for_selector(f"#heat[data-class='{wanted}']")
    assert page.locator("#classes button[aria-pressed='true']").get_attribute("data-id") == str(wanted)
    after = pixels(page, "heat")
    assert not np.array_equal(before, after)
    for index, drawn in ((first, before), (wanted, after)):
        brightness = drawn[..., :3].sum(axis=-1).ravel()[np.argsort(maps[index].ravel())]
        assert (np.diff(brightness) >= -2).all(), "the more a place speaks for the class, the brighter it is"
        assert (drawn[..., 3] == 255 * (maps[index].max() > 0)).all()
    page.locator("#opacity").fill("0")
    assert page.evaluate("getComputedStyle(document.getElementById('heat')).opacity") == "0"
    assert ("Nothing in the picture" in page.locator("#explained").inner_text()) == (maps[wanted].max() == 0)


def test_a_dropped_picture_is_taken_and_a_dropped_text_refused_in_words(page, pictures):
    drop(page, "blue.jpg", "image/jpeg", (pictures / "blue" / "0.jpg").read_bytes())
    page.wait_for_selector("#heat[data-class]")
    drop(page, "notes.txt", "text/plain", b"no picture")
    message = page.wait_for_selector("#message:not([hidden])").inner_text()
    assert message.startswith("notes.txt is not a picture that the model can read")
    assert page.locator("#result").is_hidden()
    drop(page, "large.jpg", "image/jpeg", bytes(2 * 2**20))
    playwright.expect(page.locator("#message")).to_contain_text("large.jpg is too large for this server")
    drop(page, "empty.jpg", "image/jpeg", b"")
    playwright.expect(page.locator("#message")).to_contain_text("empty.jpg is not a picture")
    choose(page, pictures / "red" / "0.jpg")
    page.wait_for_selector("#result:not([hidden])")
    assert page.locator("#message").is_hidden()


def test_names_are_text_and_never_markup(page, server, pictures):
    playwright.expect(page).to_have_title("Try colours & <b>more<b>")
    assert page.locator("#title").inner_text() == server.servables.name
    drop(page, "<img src=x onerror=alert(1)>'.jpg", "image/jpeg", (pictures / "red" / "0.jpg").read_bytes())
    page.wait_for_selector("#heat[data-class]")
    assert page.locator("img").count() == 1
    page.click("summary")
    assert "'<img src=x onerror=alert(1)>'\\''.jpg'" in page.locator("#command").inner_text()


def test_a_server_that_is_gone_is_said_in_words(browser, served_colours, pictures):
    with Server(served_colours, port=0, grpc_port=0, page=True) as server:
        page = browser.new_page()
        page.goto(server.url)
        playwright.expect(page).to_have_title("Try colours")
    choose(page, pictures / "red" / "0.jpg")
    message = page.wait_for_selector("#message:not([hidden])").inner_text()
    assert message == "The server does not answer. Is it still running?"
    page.close()


class Plain(tf.Module):
    """Answers with two numbers an image, under a name of one's own, and cannot explain."""

    def __init__(self, output: str, names: tuple[str, ...]):
        super().__init__()
        self.output, self.names = output, names

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def answer(self, image_bytes):
        rows = (tf.size(image_bytes), 1)
        answer = {self.output: tf.tile(tf.constant([[-0.25, 0.75]]), rows), "more": tf.zeros(rows[0])}
        return answer | ({"class_names": tf.tile(tf.constant([self.names]), rows)} if self.names else {})


@pytest.mark.parametrize(
    ("output", "names", "expected"),
    [
        ("values", ("age", "size"), [("age", "-0.2500"), ("size", "0.7500")]),
        ("probabilities", ("sun", "sea"), [("sea", "75.0 %"), ("sun", "-25.0 %")]),
        ("probabilities", (), [("1", "75.0 %"), ("0", "-25.0 %")]),
    ],
)
def test_other_answers_are_shown_as_what_they_are(browser, tmp_path, pictures, output, names, expected):
    module = Plain(output, names)
    tf.saved_model.save(module, str(tmp_path / "plain" / "1"), signatures={"serving_default": module.answer})
    with Server(tmp_path / "plain", port=0, grpc_port=0, page=True) as server:
        page = browser.new_page()
        page.goto(server.url)
        choose(page, pictures / "red" / "0.jpg")
        page.wait_for_selector("#result:not([hidden])")
        shown = page.locator("#classes .name").all_inner_texts(), page.locator("#classes .number").all_inner_texts()
        assert list(zip(*shown, strict=True)) == expected
        assert "cannot show where it looked" in page.locator("#explained").inner_text()
        assert page.locator("#plain").is_visible() and page.locator("#heat").is_hidden()
        page.close()


class OfTexts(tf.Module):
    """Tags each word of a text that begins with a capital, or says how many letters a text has."""

    def __init__(self, by_word: bool):
        super().__init__()
        self.by_word = by_word

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="text")])
    def answer(self, text):
        if not self.by_word:
            long = tf.cast(tf.strings.length(text) > 9, tf.float32)
            return {"probabilities": tf.stack([1 - long, long], axis=1), "class_ids": tf.cast(long, tf.int64)}
        words = tf.strings.split(text).to_tensor("")
        named = tf.strings.regex_full_match(words, "[A-Z].*")
        tags = tf.where(named, "NAME", tf.where(words == "", "", "O"))
        return {"words": words, "class_names": tags, "probabilities": tf.zeros((tf.shape(words)[0], 1, 1))}


class OfMasks(tf.Module):
    """Says of the left half of a picture that it is short, of the right one that it is long; the top is not seen."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def answer(self, image_bytes):
        height, width = tf.unstack(tf.shape(tf.io.decode_image(image_bytes[0], expand_animations=False))[:2])
        left = tf.zeros((height - 10, width // 2, 1), tf.uint8)
        seen = tf.concat([left, tf.ones((height - 10, width - width // 2, 1), tf.uint8)], axis=1)
        mask = tf.concat([tf.fill((10, width, 1), tf.constant(255, tf.uint8)), seen], axis=0)
        classes = tf.cast(mask[tf.newaxis, ..., 0], tf.int64)
        return {"mask_bytes": tf.io.encode_png(mask)[tf.newaxis], "class_ids": classes}


class OfSounds(tf.Module):
    """Says how long a WAV file of one channel is, in seconds."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="audio_bytes")])
    def answer(self, audio_bytes):
        sound, rate = tf.audio.decode_wav(audio_bytes[0])
        seconds = tf.cast(tf.shape(sound)[0], tf.float32) / tf.cast(rate, tf.float32)
        return {"values": tf.reshape(seconds, (1, 1)), "channels": tf.shape(sound)[1:]}


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the page of a module; the description beside it names its kind of data."""
    with ExitStack() as started:

        def open_page(module, kind: str):
            version = tmp_path / "model" / "1"
            tf.saved_model.save(module, str(version), signatures={"serving_default": module.answer})
            told = {"kind": kind, "class_names": ["short", "long"], "activation": "softmax"}
            told |= {
                "text": {"length": 12},
                "sound": {"sample_rate": 8000, "seconds": 1.0},
                "image": {"image_size": [32, 32], "resize": "crop"},
            }[kind]
            (version / "keras_transfer.json").write_text(json.dumps(told))
            server = started.enter_context(Server(tmp_path / "model", port=0, grpc_port=0, page=True))
            page = browser.new_page()
            page.set_default_timeout(10_000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(server.url)
            started.callback(page.close)
            return page

        problems: list[str] = []
        yield open_page
        assert not problems


def test_a_text_is_written_into_a_box(opened):
    page = opened(OfTexts(by_word=False), "text")
    page.wait_for_selector("#written:not([hidden])")
    assert page.locator("#drop").is_hidden()
    page.fill("#text", "it's <b>long</b> enough")
    page.click("#written button")
    page.wait_for_selector("#result:not([hidden])")
    assert page.locator("#classes .name").all_inner_texts() == ["long", "short"]
    assert page.locator("#read").inner_text() == "it's <b>long</b> enough" and page.locator(".picture").is_hidden()
    assert """'{"instances":[{"text":"it'\\''s <b>long""" in page.locator("#command").text_content()


def test_tags_are_shown_at_their_words(opened):
    page = opened(OfTexts(by_word=True), "text")
    page.fill("#text", "we met Bob in Rome")
    page.press("#text", "Control+Enter")
    page.wait_for_selector("#words:not([hidden])")
    assert page.locator("#words .tagged").all_inner_texts() == ["BobNAME", "RomeNAME"]
    assert page.locator("#words > span").count() == 5 and page.locator("#classes button").count() == 0


def test_a_mask_is_drawn_over_the_picture(opened, pictures):
    page = opened(OfMasks(), "image")
    choose(page, pictures / "red" / "0.jpg")
    page.wait_for_selector("#heat:visible")
    drawn, shown = pixels(page, "heat"), pixels(page, "image")
    picture = np.array(Image.open(pictures / "red" / "0.jpg"))
    assert drawn.shape[:2] == picture.shape[:2] and np.abs(shown[..., :3].astype(int) - picture).mean() < 3
    half = drawn.shape[1] // 2
    assert not drawn[:10, :, 3].any() and (drawn[10:, :, 3] == 255).all()
    first, second = drawn[10:, :half, :3].reshape(-1, 3), drawn[10:, half:, :3].reshape(-1, 3)
    assert len(np.unique(first, axis=0)) == len(np.unique(second, axis=0)) == 1
    assert np.abs(first[0].astype(int) - second[0]).max() > 60
    said = [page.locator(f"#classes .{part}").all_inner_texts() for part in ("name", "number")]
    shares = dict(zip(*said, strict=True))
    assert shares == {"short": "50.0 %", "long": "50.0 %"}
    page.click("#classes button[data-id='1']")
    alone = pixels(page, "heat")
    assert not alone[:, :half, 3].any() and (alone[10:, half:, 3] == 255).all()


def test_a_recording_is_chosen_or_made_with_the_microphone(opened, tmp_path):
    page = opened(OfSounds(), "sound")
    page.wait_for_selector("#record:not([hidden])")
    (tmp_path / "one.wav").write_bytes(wav(np.zeros(4000), 8000))
    choose(page, tmp_path / "one.wav")
    page.wait_for_selector("#heard:not([hidden])")
    assert page.locator("#classes .number").inner_text() == "0.5000"
    page.click("#record")
    playwright.expect(page.locator("#record")).to_have_text("Stop")
    page.wait_for_timeout(500)
    page.click("#record")
    playwright.expect(page.locator("#classes .number")).not_to_have_text("0.5000")
    assert 0.1 < float(page.locator("#classes .number").inner_text()) < 5
    drop(page, "words.wav", "audio/wav", b"no sound")
    message = page.wait_for_selector("#message:not([hidden])").inner_text()
    assert message.startswith("words.wav is not a recording that the model can read")
