"""What `train` reads and builds, by the kind of files that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_transfer._checks import InputError

if TYPE_CHECKING:
    import keras

    from keras_transfer.data import ImageData, SoundData

_TABLES = (".csv", ".tsv")
_DECODER = "fpn"  # the head for masks, where none for pixels is given
_OF_CLASS_FOLDERS = ("groups", "exclude", "quarantine")
_OF_MASKS = ("class_names", "ignore")
_OF_IMAGES = ("resize", "quarantine", "keep_copies_together", "image_size")


def material(
    source: Path, built: Mapping[str, Any], read: Mapping[str, Any], given: Callable[[str], bool], kind: str | None
) -> tuple[keras.Model, Any, str]:
    """Returns a model, its data, and what a single example is called.

    Args:
        source: folder, or a table of texts.
        built: arguments of `build_model`.
        read: arguments of the reader of images; those of other kinds are taken from them.
        given: says whether an option stands in the command.
        kind: "image", "sound" or "text"; None for what most files are.

    Raises:
        InputError: if an option does not belong to the kind, or something cannot be used.
    """
    from keras_transfer.data.by_kind import kind_of_files
    from keras_transfer.data.masks.pairing import has_masks

    table = source.suffix.lower() in _TABLES
    found = kind or ("text" if table else kind_of_files(source).name)
    masked = found == "image" and has_masks(source)
    ways = {"image": _of_masks if masked else _of_images, "sound": _of_sounds, "text": _of_texts}
    if found not in ways:
        raise InputError(f"Expected --kind image, sound or text. Received: {found!r}.")
    if not masked:
        unfit = [f"--{name.replace('_', '-')}" for name in _OF_MASKS if read[name]]
        if unfit:
            raise InputError(
                f"Expected images/ and masks/ in {str(source)!r}, with {', '.join(unfit)}. Received: none."
            )
        read = {name: value for name, value in read.items() if name not in _OF_MASKS}
    if found != "image":
        strange = [f"--{name.replace('_', '-')}" for name in _OF_IMAGES if given(name)]
        if found == "sound" and "--image-size" in strange:  # of their spectrograms
            strange.remove("--image-size")
        if strange:
            raise InputError(f"Expected options for {found}s. Received: {', '.join(strange)}, which are for images.")
    return (*ways[found](source, built, read), found)


def _of_images(source: Path, built: Mapping[str, Any], read: Mapping[str, Any]) -> tuple[keras.Model, ImageData]:
    from keras_transfer.data import from_directory
    from keras_transfer.data.sources.folders import class_names
    from keras_transfer.models.backbones.finding import default_image_size
    from keras_transfer.models.building import build_model

    size = read["image_size"] or default_image_size(built["backbone"])
    # errors in the model's options must show before thousands of files are read
    model = build_model(num_classes=len(class_names(source)), image_size=size, **built)
    return model, from_directory(source, **{**read, "image_size": size})


def _of_masks(source: Path, built: Mapping[str, Any], read: Mapping[str, Any]) -> tuple[keras.Model, ImageData]:
    from keras_transfer.data import from_masks
    from keras_transfer.models.backbones.finding import default_image_size
    from keras_transfer.models.building import build_model
    from keras_transfer.models.decoders import takes_maps
    from keras_transfer.models.heads import HEADS

    unfit = [f"--{name.replace('_', '-')}" for name in _OF_CLASS_FOLDERS if read[name]]
    if unfit:
        raise InputError(
            f"Expected options for pictures with masks. Received: {', '.join(unfit)}, for those in class folders."
        )
    size = read["image_size"] or default_image_size(built["backbone"])
    names = ("resize", "augment", "batch_size", "validation_split", "seed", *_OF_MASKS)
    masked = from_masks(source, image_size=size, **{name: read[name] for name in names})
    head = built["head"]
    if not takes_maps(HEADS.find(head)):
        if head != "linear":
            raise InputError(f"Expected a head for every pixel, such as fpn, for masks. Received: --head {head}.")
        head = _DECODER
    return build_model(num_classes=masked.num_classes, image_size=size, **{**built, "head": head}), masked


def _of_sounds(source: Path, built: Mapping[str, Any], read: Mapping[str, Any]) -> tuple[keras.Model, SoundData]:
    from keras_transfer.data import from_audio_directory
    from keras_transfer.models.building import build_model

    names = ("augment", "batch_size", "validation_split", "exclude", "seed")
    sounds = from_audio_directory(source, **{name: read[name] for name in names})
    size = read["image_size"]
    return build_model(num_classes=sounds.num_classes, sound=sounds, image_size=size, **built), sounds


def _of_texts(source: Path, built: Mapping[str, Any], read: Mapping[str, Any]) -> tuple[keras.Model, Any]:
    from keras_transfer.data import from_dataframe, from_text_directory
    from keras_transfer.models.backbones.applications import BACKBONES
    from keras_transfer.models.building import build_model

    encoder = built["backbone"]
    if encoder in BACKBONES.names():
        raise InputError(
            f"Expected --backbone with an encoder of texts, such as bert_tiny_en_uncased, or its folder. "
            f"Received: {encoder}."
        )
    names = ["augment", "batch_size", "validation_split", "seed"]
    options = {name: read[name] for name in names} | {"tokenizer": encoder}
    if source.suffix.lower() in _TABLES:
        texts = from_dataframe(source, text_column="text", **options)
    else:
        texts = from_text_directory(source, exclude=read["exclude"], **options)
    return build_model(num_classes=texts.num_classes, **built), texts
