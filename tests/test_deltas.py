"""Deltas: what was trained, and nothing else, in a file that fits its base alone."""

import json

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_backbone
from safetensors import safe_open
from safetensors.numpy import save_file
from test_tuning import SMALL, data, lively, outputs, pixels, stirred

import keras_transfer as kt

__all__ = ["data"]


def base(**options):
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 5, **options)


@pytest.mark.parametrize("name", mostly_slow(["lora", "head", *SMALL[1:]], fast=2))
def test_a_delta_on_its_base_is_the_model(name, data, tmp_path):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, head="mlp" if name == "lora" else "linear")
    if name != "head":
        model = kt.tuned(model, name)
    kt.fine_tune(model, data, schedule=(kt.Phase(1, "head" if name == "head" else "all", 1e-2),), verbose=0)
    file = kt.save_delta(model, tmp_path / "of" / "photos.delta")
    again = kt.apply_delta(base(), file)
    for ours, theirs in zip(outputs(again, pixels(data)), outputs(model, pixels(data)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.class_names == ("dark", "light") and again.origin == model.origin
    kt.fine_tune(again, data, schedule=(kt.Phase(1, "all", 1e-2),), cache=False, verbose=0)  # and it can be trained on


def test_a_delta_holds_what_was_trained_alone(data, tmp_path):
    model = stirred(kt.tuned(lively(data), "bias_and_norm"))
    with safe_open(str(kt.save_delta(model, tmp_path / "delta")), framework="numpy") as opened:
        names = set(opened.keys())
        told = json.loads(opened.metadata()["keras_transfer_delta"])
    assert names == {
        *(f"{norm}/{place}" for norm in ("first_bn", "second_bn", "third_bn") for place in (0, 1)),
        *(f"{conv}/1" for conv in ("first", "second", "third")),
        *("logits/0", "logits/1"),
    }
    assert told["tuning"] == {"name": "bias_and_norm", "values": {}} and told["outputs"] == 2


def test_a_trained_stage_is_part_of_the_delta(data, tmp_path):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2)
    kt.fine_tune(model, data, schedule=(kt.Phase(1, 1, 1e-2),), train_batch_norm=True, verbose=0)
    again = kt.apply_delta(base(), kt.save_delta(model, tmp_path / "delta"))
    for ours, theirs in zip(outputs(again, pixels(data)), outputs(model, pixels(data)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_head_of_ones_own_needs_a_base_with_it(data, tmp_path):
    def own(features, count):
        return keras.layers.Dense(count, name="own_logits")(keras.layers.Dense(7, name="own")(features))

    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, head=own)
    file = kt.save_delta(model, tmp_path / "delta")
    with pytest.raises(kt.InputError, match="own"):
        kt.apply_delta(base(), file)
    keras.utils.set_random_seed(0)
    again = kt.apply_delta(kt.build_model(toy_backbone(), 2, head=own), file)
    np.testing.assert_array_equal(outputs(again, pixels(data))[1], outputs(model, pixels(data))[1])


def test_another_base_is_refused(data, tmp_path):
    file = kt.save_delta(stirred(kt.tuned(base(), "lora")), tmp_path / "delta")
    keras.utils.set_random_seed(1)
    with pytest.raises(kt.InputError, match="whose weights differ"):
        kt.apply_delta(kt.build_model(toy_backbone(), 2), file)
    with pytest.raises(kt.InputError, match="toy"):
        kt.apply_delta(
            kt.build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25}), file
        )
    with pytest.raises(kt.InputError, match="without a tuning"):
        kt.apply_delta(kt.tuned(base(), "lora"), file)


def test_another_rank_is_refused(tmp_path):
    file = kt.save_delta(kt.tuned(base(), kt.tuning.LoRA(rank=2)), tmp_path / "delta")
    with safe_open(str(file), framework="numpy") as opened:
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  it is no mapping
        told = json.loads(opened.metadata()["keras_transfer_delta"])
    told["tuning"]["values"]["rank"] = 3
    save_file(arrays, tmp_path / "other", {"keras_transfer_delta": json.dumps(told)})
    with pytest.raises(kt.InputError, match="shape"):
        kt.apply_delta(base(), tmp_path / "other")


def test_a_lora_that_keras_has_merged_has_no_delta(data, tmp_path):
    model = stirred(kt.tuned(lively(data), "lora"))
    model.save(tmp_path / "model.keras")
    reloaded = kt.load_model(tmp_path / "model.keras")
    for changed in (False, True):
        if changed:
            kt.set_trainable(reloaded, "all")
        with pytest.raises(kt.InputError, match="before model.save"):
            kt.save_delta(reloaded, tmp_path / "delta")
    assert not (tmp_path / "delta").exists()


@pytest.mark.parametrize("content", [b"", b"no delta", b'\x10\0\0\0\0\0\0\0{"a":{}}       '])
def test_what_is_no_delta_is_refused(content, tmp_path):
    file = tmp_path / "delta"
    file.write_bytes(content)
    with pytest.raises(kt.InputError, match="none, or damaged"):
        kt.apply_delta(base(), file)
    with pytest.raises(kt.InputError, match="not there"):
        kt.apply_delta(base(), tmp_path / "nowhere")
    save_file({"a": np.zeros(2)}, file)
    with pytest.raises(kt.InputError, match="none, or damaged"):
        kt.apply_delta(base(), file)


def test_an_older_delta_stays_whole_where_a_new_one_cannot_be_written(tmp_path, monkeypatch):
    file = kt.save_delta(base(), tmp_path / "delta")
    before = file.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(kt.DiskError, match="No space left"):
        kt.save_delta(base(), file)
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["delta"]


@pytest.mark.parametrize(("theirs", "ours"), [("avg", "max"), ("attention", "avg")])
def test_a_delta_brings_its_pooling(theirs, ours, data, tmp_path):
    """Poolings without weights cannot be told apart by what they hold; one with weights has them in the delta."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, pooling=theirs)
    model.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(16, 2)))
    file = kt.save_delta(model, tmp_path / "delta")
    keras.utils.set_random_seed(0)
    again = kt.apply_delta(kt.build_model(toy_backbone(), 2, pooling=ours), file)
    np.testing.assert_array_equal(outputs(again, pixels(data))[1], outputs(model, pixels(data))[1])


def test_a_folded_adapter_is_part_of_its_base(tmp_path):
    folded = kt.fold(stirred(kt.tuned(base(), "adapter")))
    kt.set_trainable(folded, "head")
    with pytest.raises(kt.InputError, match="weights differ|none"):
        kt.apply_delta(base(), kt.save_delta(folded, tmp_path / "delta"))
    with pytest.raises(kt.InputError, match="without adapters"):
        kt.tuned(folded, "adapter")


def test_the_values_of_a_tuning_are_kept_by_copies_and_files(data, tmp_path):
    keras.utils.set_random_seed(0)
    model = stirred(kt.tuned(kt.build_model(toy_backbone(), 2), kt.tuning.LoRA(rank=2, alpha=16)))
    model.class_names = ("dark", "light")
    longer = kt.extend(model, ["grey"])
    assert repr(kt.tuning.tuning_of(longer)) == "LoRA(rank=2, seed=0, alpha=16)"
    again = kt.apply_delta(base(), kt.save_delta(longer, tmp_path / "lora"))
    np.testing.assert_array_equal(outputs(again, pixels(data))[1], outputs(longer, pixels(data))[1])
    keras.utils.set_random_seed(0)
    model = stirred(kt.tuned(kt.build_model(toy_backbone(), 2), kt.tuning.Adapter(reduction=1)))
    model.save(tmp_path / "model.keras")
    reloaded = kt.load_model(tmp_path / "model.keras")
    again = kt.apply_delta(base(), kt.save_delta(reloaded, tmp_path / "adapter"))
    np.testing.assert_array_equal(outputs(again, pixels(data))[1], outputs(model, pixels(data))[1])
    with pytest.raises(kt.InputError, match="kt.load_model"):
        kt.save_delta(keras.models.load_model(tmp_path / "model.keras"), tmp_path / "none")
