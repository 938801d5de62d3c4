"""Sounds: what is in a file comes out as a waveform of one rate and length, whatever the file looks like."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
import scipy.signal
import soundfile
import tensorflow as tf
from recording import KINDS, sound, wav, write_sounds

import keras_transfer as kt
from keras_transfer.data.augment.sounds import SOUND_AUGMENTATIONS
from keras_transfer.data.hearing import Heard
from keras_transfer.data.kinds import Sounds
from keras_transfer.data.sound.resampling import resampled
from keras_transfer.data.sound.wav import decode_wav
from keras_transfer.data.sound.waveforms import load_waveform
from keras_transfer.data.sources.sound_form import SoundForm

SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds"))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_every_form_of_wav_is_decoded_as_soundfile_does(form, subtype, channels):
    values = np.stack([sound("chirp", seed, 8000, 0.1) for seed in range(channels)], axis=1)
    file = io.BytesIO()
    soundfile.write(file, values, 8000, format=form, subtype=subtype)
    file.seek(0)
    expected, _ = soundfile.read(file, dtype="float32", always_2d=True)
    found, rate = decode_wav(tf.constant(file.getvalue()))
    assert rate == 8000 and np.abs(found.numpy() - expected).max() < 1e-6


def test_of_16_bits_it_is_what_tensorflow_decodes():
    content = wav(sound("noise", 0, 8000, 0.1), 8000)
    assert np.array_equal(decode_wav(tf.constant(content))[0], tf.audio.decode_wav(content)[0])


def _changed(place: int, number: int) -> bytes:
    content = bytearray(wav(sound("tone", 0, 8000, 0.1), 8000))
    content[place : place + 4] = struct.pack("<I", number)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no WAV file"),
        (b"hello, I am a text", "no WAV file"),
        (b"RIFF\0\0\0\0WAVE", "no format chunk"),
        (wav(sound("tone", 0, 8000, 0.1), 8000)[:500], "fewer bytes than its header says"),
        (_changed(40, 2**31), "fewer bytes than its header says"),
        (_changed(24, 0), "impossible number of samples a second"),
        (_changed(24, 2**32 - 1), "impossible number of samples a second"),
        (_changed(20, 0x00010055), "neither PCM nor floats"),
        (wav(np.zeros(0), 8000), "no samples"),
    ],
    ids=["empty", "text", "no chunks", "cut off", "longer data", "no rate", "huge rate", "mp3 inside", "no samples"],
)
def test_a_header_that_lies_is_an_error_and_says_why(content, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        load_waveform(tf.constant(content), 8000, 800)


def test_a_stream_that_did_not_know_its_length_is_read_to_its_end():
    known = wav(sound("tone", 0, 8000, 0.1), 8000)
    assert np.array_equal(decode_wav(tf.constant(_changed(40, 2**32 - 1)))[0], decode_wav(tf.constant(known))[0])


@pytest.mark.parametrize(
    ("rate", "wanted"), [(8000, 16000), (16000, 8000), (44100, 16000), (96000, 8000), (11025, 16000)]
)
def test_resampling_keeps_tones_and_takes_away_what_would_fold(rate, wanted):
    time, count = np.arange(rate) / rate, wanted
    band = min(rate, wanted) / 2

    def at(tone: float) -> np.ndarray:
        waveform = tf.constant(np.sin(2 * np.pi * tone * time), tf.float32)
        return resampled(waveform, tf.constant(rate, tf.int64), wanted, tf.constant(0, tf.int64), count).numpy()

    middle = slice(count // 4, 3 * count // 4)
    expected = np.sin(2 * np.pi * 0.6 * band * np.arange(count) / wanted)
    assert np.abs(at(0.6 * band) - expected)[middle].max() < 1e-3
    if rate > wanted:
        assert np.abs(at(1.2 * band))[middle].max() < 1e-3


def test_resampling_is_near_that_of_scipy():
    noise = np.random.default_rng(0).normal(size=44100).astype(np.float32)
    low = scipy.signal.sosfiltfilt(scipy.signal.butter(8, 5000, fs=44100, output="sos"), noise).astype(np.float32)
    expected = scipy.signal.resample_poly(low, 160, 441)
    found = resampled(tf.constant(low), tf.constant(44100, tf.int64), 16000, tf.constant(0, tf.int64), 16000).numpy()
    assert np.abs(found - expected)[500:-500].max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize(("seconds", "rate"), [(0.25, 8000), (1.0, 8000), (0.5, 8000), (0.25, 16000), (1.0, 16000)])
def test_the_middle_of_a_long_sound_and_silence_around_a_short_one(seconds, rate):
    whole = sound("noise", 0, rate, seconds)
    found = load_waveform(tf.constant(wav(whole, rate)), 8000, 4000).numpy()
    assert found.shape == (4000,)
    if seconds < 0.5:
        assert not found[:900].any() and not found[-900:].any() and found[1100:2900].std() > 0.1
    elif rate == 8000:
        start = (len(whole) - 4000) // 2
        assert np.abs(found - whole[start : start + 4000]).max() < 1e-4


def test_class_folders_become_waveforms(sounds):
    data = kt.data.from_audio_directory(sounds, batch_size=4, validation_split=0.34)
    assert (data.sample_rate, data.seconds, data.class_names) == (8000, 0.5, KINDS)
    waveforms, labels = next(iter(data.train))
    assert waveforms.shape == (4, 4000) and waveforms.dtype == tf.float32 and labels.dtype == tf.int64
    assert "SoundData: 3 classes, 0.5 seconds at 8,000 samples a second" in repr(data)
    assert len(data.show(4).axes) == 4


@pytest.mark.parametrize("form", ["flac", "ogg", "mp3", "aiff"])
def test_other_formats_are_the_same_sound(sounds, tmp_path, form):
    for path in sounds.rglob("*.wav"):
        samples, rate = soundfile.read(path)
        to = tmp_path / path.parent.name / f"{path.stem}.{form}"
        to.parent.mkdir(exist_ok=True)
        soundfile.write(to, np.tile(samples, 2), rate)
    data, known = (kt.data.from_audio_directory(folder, seconds=0.5) for folder in (tmp_path, sounds))
    assert data.counts == known.counts and not data.left_out
    if form in ("flac", "aiff"):
        read = data.kind.decode(tf.constant(data.kind.content_of(tmp_path / "tone" / f"0.{form}"))).numpy()
        whole, _ = soundfile.read(sounds / "tone" / "0.wav")
        assert np.abs(read - np.tile(whole, 2)[2000:6000]).max() < 1e-4


def test_each_window_of_a_long_file_is_an_example_on_one_side_of_the_split(tmp_path):
    write_sounds(tmp_path, per_class=4, seconds=1.3)
    data = kt.data.from_audio_directory(tmp_path, seconds=0.5, windows="each", validation_split=0.25)
    assert sum(len(part) for part in data.splits.values()) == 3 * 4 * 3  # 0 to 0.5, to 1, and 0.3 that remain
    sides = [{str(item).partition("#")[0] for item in part.items} for part in data.splits.values()]
    assert not sides[0] & sides[1]
    whole, _ = soundfile.read(tmp_path / "noise" / "0.wav")
    piece = f"{tmp_path / 'noise' / '0.wav'}#t=0.5,1"
    read = data.kind.reader([piece])(tf.constant(piece)).numpy()
    assert np.abs(read - whole[4000:8000]).max() < 1e-4


def test_files_that_cannot_be_used_are_named_and_counted(tmp_path):
    write_sounds(tmp_path)
    (tmp_path / "tone" / "text.wav").write_text("not a sound")
    (tmp_path / "tone" / "empty.wav").write_bytes(b"")
    (tmp_path / "tone" / "cut.wav").write_bytes((tmp_path / "tone" / "0.wav").read_bytes()[:400])
    (tmp_path / "tone" / "cut.flac").write_bytes(b"fLaC and no more")
    with pytest.warns(kt.DataWarning) as warned:
        data = kt.data.from_audio_directory(tmp_path)
    said = str(warned[0].message)
    assert "4 of 22 sounds are left out" in said and len(data.left_out) == 4
    for part in ("text.wav: is named .wav but holds no WAV sound", "empty.wav: is empty", "cut.wav: holds fewer bytes"):
        assert part in said, said
    assert sum(sum(counts.values()) for counts in data.counts.values()) == 18


def test_silence_and_what_is_cut_off_are_said(tmp_path):
    write_sounds(tmp_path)
    (tmp_path / "tone" / "silent.wav").write_bytes(wav(np.zeros(4000), 8000))
    (tmp_path / "tone" / "loud.wav").write_bytes(wav(np.clip(4 * sound("tone", 0, 8000, 0.5), -1, 1), 8000))
    with pytest.warns(kt.DataWarning) as warned:
        kt.data.from_audio_directory(tmp_path)
    said = "\n".join(str(each.message) for each in warned)
    assert "1 of 20 sounds are silent: tone/silent.wav" in said
    assert "1 of 20 sounds are overdriven" in said and "tone/loud.wav" in said


def test_a_file_that_is_gone_has_a_substitute_and_is_named(tmp_path, caplog):
    data = kt.data.from_audio_directory(write_sounds(tmp_path), batch_size=4)
    gone = data.splits["train"].items[0]
    tf.io.gfile.remove(gone)
    assert sum(len(labels) for _, labels in data.train) == len(data.splits["train"])
    assert [str(each.path) for each in data.replaced()] == [gone]
    with pytest.raises(kt.DataError, match="cannot be read"), data.naming_bad_files("train"):
        list(data.in_order("train"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 0}, "seconds"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"windows": "some"}, "windows"),
        ({"augment": "mirror"}, "sound augmentation"),
        ({"groups": "duplicates"}, "groups"),
    ],
)
def test_wrong_arguments_are_refused(sounds, options, said):
    with pytest.raises(kt.InputError, match=said):
        kt.data.from_audio_directory(sounds, **options)


def test_pictures_are_no_sounds(pictures):
    with pytest.raises(kt.DataError, match="sounds named .wav"):
        kt.data.from_audio_directory(pictures)


@pytest.mark.parametrize("name", SOUND_AUGMENTATIONS.names())
def test_an_augmentation_depends_on_its_seed_and_keeps_form_and_level(name):
    change = tf.function(SOUND_AUGMENTATIONS.find(name))
    waveform = tf.constant(sound("noise", 0, 8000, 0.5), tf.float32)
    one, again, other = (change(waveform, tf.constant(seed, tf.int64)) for seed in ([0, 1], [0, 1], [0, 2]))
    assert one.shape == waveform.shape and np.array_equal(one, again)
    assert np.array_equal(one, other) == (name == "none")
    assert 0.5 < np.std(one) / np.std(waveform) < 1.2


def test_spec_augment_silences_bands_and_spans():
    waveform = tf.constant(np.random.default_rng(0).normal(size=16000), tf.float32)
    changed = [
        SOUND_AUGMENTATIONS.find("spec_augment")(waveform, tf.constant([0, seed], tf.int64)) for seed in range(5)
    ]
    power = np.stack([np.abs(tf.signal.stft(each, 512, 128)) for each in changed])
    quiet = power < 0.05 * power.mean()
    assert any(each.mean(axis=0).max() > 0.9 for each in quiet) and any(each.mean(axis=1).max() > 0.9 for each in quiet)
    assert quiet.mean() < 0.6


def test_training_sounds_are_augmented_and_the_same_for_the_same_seed(sounds):
    plain, first, again = (
        kt.data.from_audio_directory(sounds, augment=name, seed=3) for name in ("none", "strong", "strong")
    )
    batches = [np.concatenate([waveforms for waveforms, _ in data.train]) for data in (plain, first, again)]
    assert np.array_equal(batches[1], batches[2]) and not np.array_equal(batches[0], batches[1])


def test_settings_are_those_of_the_kind():
    assert Sounds(8000, 0.5).settings() == {"sample_rate": 8000, "seconds": 0.5}
    assert Sounds(16000, 0.975).samples == 15600


def test_log_mel_is_what_tensorflows_own_operations_give():
    heard = kt.LogMel(seconds=2.0, patch=0.96)
    waveforms = keras.Input((heard.samples,))
    network = keras.Model(waveforms, heard.numbers(waveforms))
    noise = np.random.default_rng(0).normal(size=(2, 32000)).astype(np.float32) / 10
    magnitude = tf.abs(tf.signal.stft(noise, 400, 160, 512))
    mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125, 7500)
    expected = np.log(magnitude @ mel + 0.001)
    patches = np.stack([expected[:, start : start + 96] for start in (0, 48, 96)], axis=1)
    assert np.abs(network.predict(noise, verbose=0) - patches.reshape(-1, 96, 64, 1)).max() < 1e-5


def test_a_picture_of_a_sound_depends_on_no_other_and_not_on_its_loudness():
    heard = kt.LogMel(8000, 0.5)
    waveforms = keras.Input((heard.samples,))
    network = keras.Model(waveforms, heard.picture(waveforms, (32, 48)))
    quiet, loud = (np.stack([factor * sound("chirp", 0, 8000, 0.5)]).astype(np.float32) for factor in (0.5, 1.9))
    silent = np.zeros_like(quiet)
    alone = network.predict(quiet, verbose=0)
    both = network.predict(np.concatenate([quiet, loud, silent]), verbose=0)
    assert alone.shape == (1, 32, 48, 3) and 200 < alone.max() <= 255
    assert np.abs(both[0] - alone[0]).max() < 1e-3 and np.abs(both[1] - alone[0]).max() < 0.5
    assert not both[2].any()


def test_one_long_recording_does_not_make_the_others_silence():
    form = SoundForm(None, None, "none", 8, 0.2, 0)
    short = [Heard(seconds, 8000, 0.1, 0.0) for seconds in np.linspace(0.3, 0.7, 39)]
    assert form.length([*short, Heard(60.0, 8000, 0.1, 0.0)]) == pytest.approx(0.7, abs=0.02)
    assert form.length(short[:5]) == short[4].seconds and form.length([]) == 1.0
    assert form.length([Heard(60.0, 8000, 0.1, 0.0)]) == 10.0
    assert replace(form, seconds=2.0).length(short) == 2.0


def test_peak_makes_quiet_recordings_equal_to_loud_ones():
    heard = kt.LogMel(8000, 0.5, peak=1.0)
    waveforms = keras.Input((heard.samples,))
    network = keras.Model(waveforms, heard.numbers(waveforms))
    loud = sound("chirp", 0, 8000, 0.5).astype(np.float32)
    given = np.stack([loud / np.abs(loud).max(), loud / 128, np.zeros_like(loud), np.full_like(loud, 1e-6)])
    answers = network.predict(given, verbose=0)
    assert np.abs(answers[1] - answers[0]).max() < 1e-4 and answers[0].std() > 1
    assert np.allclose(answers[2], np.log(heard.offset), atol=1e-5)
    assert np.allclose(answers[3], answers[2], atol=0.5)  # the hiss of near silence is not made loud


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"peak": 0.0}, "peak"),
        ({"seconds": 0.01}, "0.025 seconds or more"),
        ({"highest": 9000.0}, "half of the sample rate"),
        ({"lowest": 8000.0}, "lowest=8000"),
        ({"patch": 1.5}, "one patch of 1.5 seconds"),
        ({"bands": 0}, "bands"),
    ],
)
def test_a_spectrogram_that_cannot_be_made_is_refused(options, said):
    with pytest.raises(kt.InputError, match=said):
        kt.LogMel(**options)


def test_nothing_is_said_of_good_sounds(sounds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kt.data.from_audio_directory(sounds)


def test_the_doctor_of_recordings(tmp_path):
    folder = write_sounds(tmp_path / "train", per_class=3).parent
    write_sounds(tmp_path / "val", per_class=1)  # the same as the first ones
    (tmp_path / "train" / "tone" / "still.wav").write_bytes(wav(np.zeros(4000), 8000))
    (tmp_path / "train" / "tone" / "brief.wav").write_bytes(wav(sound("tone", 9, 8000, 0.05), 8000))
    (tmp_path / "train" / "noise" / "loud.wav").write_bytes(wav(np.sign(sound("noise", 9, 8000, 0.5)), 8000))
    (tmp_path / "train" / "noise" / "none.wav").write_text("no sound")
    found = kt.data.check(folder)
    kinds = {finding.kind: [path.name for path in finding.paths] for finding in found.findings}
    assert kinds["copies in two splits"] == ["0.wav", "0.wav"] and found.serious and found.noun == "sounds"
    assert kinds["silent"] == ["still.wav"] and kinds["overdriven"] == ["loud.wav"] and kinds["short"] == ["brief.wav"]
    assert kinds["unusable"] == ["none.wav"] and found.found == 16 and found.used == 15
    lone = write_sounds(tmp_path / "lone", per_class=1)
    assert {finding.kind for finding in kt.data.check(lone).findings} == {"class of one sound"}
    assert "holds no WAV" in str(found) and found.save_page(tmp_path / "page.html").is_file()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = kt.data.from_audio_directory(folder, sample_rate=16_000)
    assert len(kt.data.check(data).by_kind()["note", "lower rate"][0].paths) == 15


def test_tables_of_recordings(sounds, tmp_path):
    files = sorted(str(path.relative_to(sounds)) for path in sounds.rglob("*.wav"))
    (tmp_path / "still.wav").write_text("no sound")
    table = {"sound": [*files, str(tmp_path / "still.wav")], "label": [*(file[:4] for file in files), files[0][:4]]}
    with pytest.warns(kt.DataWarning, match="1 of 19 sounds are left out"):
        data = kt.data.from_dataframe(table, sound_column="sound", root=sounds, seconds=0.25, augment="noise")
    assert isinstance(data, kt.data.SoundData) and data.seconds == 0.25 and data.sample_rate == 8000
    table = {"sound": files, "level": np.linspace(0, 1, 18), "loud": [1, 0] * 9, "high": [0, 1] * 9}
    values = kt.data.from_dataframe(
        table, sound_column="sound", root=sounds, label_column="level", units={"level": "dB"}
    )
    several = kt.data.from_dataframe(table, sound_column="sound", root=sounds, label_column=["loud", "high"])
    assert values.task.name == "regression" and several.task.name == "several_labels"
    heard, labels = next(iter(several.train))
    assert heard.shape[1:] == (4000,) and labels.shape[1:] == (2,)
    with pytest.raises(kt.InputError, match="with `sound_column`"):
        kt.data.from_dataframe(table, image_column="sound", root=sounds, seconds=1.0)
