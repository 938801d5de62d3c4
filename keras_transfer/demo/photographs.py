"""The demo on photographs: your own, or some of TensorFlow Datasets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from keras_transfer import data as sources
from keras_transfer._folders import check_writable
from keras_transfer.demo.saying import sayer
from keras_transfer.models.backbones.finding import default_image_size
from keras_transfer.models.building import build_model
from keras_transfer.records.run import save_run
from keras_transfer.training.fine_tuning import fine_tune


def run_on_photographs(
    directory: Path | None,
    backbone: str,
    weights: str,
    options: dict[str, Any],
    output: Path,
    *,
    quiet: bool = False,
) -> dict[str, Any]:
    """Trains, evaluates and exports a model on photographs.

    Args:
        directory: folder of class folders; None for a data set of flowers from TensorFlow Datasets.
        backbone: name of the backbone.
        weights: "imagenet", "none" for random weights, or a file.
        options: further arguments of the backbone's constructor.
        output: folder for the results.
        quiet: whether to print nothing.

    Raises:
        InputError: if the folder or an argument cannot be used.
        DownloadError: if weights or photographs are not on this machine and cannot be downloaded.
    """
    say = sayer(quiet)
    size = default_image_size(backbone)
    model_weights = None if weights.lower() == "none" else weights
    build = partial(build_model, backbone, weights=model_weights, image_size=size, backbone_options=options)
    build(num_classes=2)  # raises an error for missing weights before photographs are downloaded
    if directory is None:
        images = sources.from_tfds("tf_flowers", image_size=size)
    else:
        images = sources.from_directory(directory, image_size=size)
    say(str(images))
    check_writable(output)
    model = build(num_classes=images.num_classes)
    history = fine_tune(model, images, verbose=0 if quiet else "auto")
    kept = save_run(output, model, images, history, images.validation)
    say(f"\nvalidation\n{kept.report}\n\nserved version  {kept.version}\nbeside it       {', '.join(kept.files)}")
    return {"version": str(kept.version), "files": [str(output / f) for f in kept.files], **kept.report.to_dict()}
