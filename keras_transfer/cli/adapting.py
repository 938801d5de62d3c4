"""keras-transfer adapt."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from keras_transfer._checks import DataError, InputError
from keras_transfer.cli.options import (
    CachePlace,
    Epochs,
    HeadName,
    ImageSize,
    LearningRate,
    Network,
    NetworkOptions,
    RateName,
    Resize,
    ScheduleName,
    Seed,
    Weights,
)
from keras_transfer.cli.session import Json, app, print_json, read_options, say, session


@app.command()
def adapt(
    source: Annotated[Path, typer.Argument(help="Folder of class folders with labelled pictures.")],
    target: Annotated[
        Path,
        typer.Argument(
            help="Folder of pictures of the other domain. Class folders are used only to report the accuracy."
        ),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:WEIGHT]", help="mcc, coral, mmd, dann, ... Repeat to let the validator choose."),
    ] = None,
    validator: Annotated[
        str | None, typer.Option(help="Score that chooses the best epoch and method: information_maximization, ...")
    ] = None,
    baseline: Annotated[bool, typer.Option(help="Also train on the source alone, and report both.")] = False,
    ignore_target_labels: Annotated[bool, typer.Option(help="Do not treat the target's folders as classes.")] = False,
    backbone: Network = "MobileNetV2",
    weights: Weights = "imagenet",
    backbone_option: NetworkOptions = None,
    image_size: ImageSize = None,
    resize: Resize = "crop",
    head: HeadName = "mlp",
    schedule: ScheduleName = "last_n",
    epochs: Epochs = 10,
    learning_rate: LearningRate = 3e-3,
    rate: RateName = "constant",
    augment: Annotated[
        list[str] | None,
        typer.Option(help="Augmentation of both domains: none, light, strong, ... Repeat for several, in order."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Number of images of each domain in a batch.")] = 32,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without a better score of the validator.")
    ] = None,
    cache: CachePlace = "auto",
    seed: Seed = 0,
    output: Annotated[
        Path,
        typer.Option(help="Folder for the exported versions, model.keras, history.csv, adaptation.json and plots."),
    ] = Path("saved_models/adapted"),
    as_json: Json = False,
) -> None:
    """Train on labelled pictures, adapt to unlabelled pictures of another domain, and export the model."""
    with session(as_json) as kt:
        import keras

        from keras_transfer._folders import check_writable
        from keras_transfer.adaptation.domain_checks import check_classes
        from keras_transfer.adaptation.method_in_training import WEIGHT
        from keras_transfer.data.sources.folders import class_names
        from keras_transfer.models.backbones.finding import default_image_size
        from keras_transfer.records.run import save_adaptation, save_run

        # 1 the arguments and the model
        candidates = [read_method(given) for given in method or ["mcc"]]
        for name, weight in candidates:
            kt.alignment.find_method(name)
            WEIGHT("weight", weight)
        if validator is not None:
            kt.validators.VALIDATORS.find(validator)
        options = read_options(backbone_option or [])
        kt.schedules.plan(schedule, epochs, learning_rate, ("stage",))
        kt.rates.RATES.find(rate)
        kept = False if cache == "off" else kt.Cache(cache)
        output = output.expanduser()
        check_writable(output)
        keras.utils.set_random_seed(seed)
        classes, target_classes = class_names(source), _classes(target)
        if ignore_target_labels:
            target_classes = ()
        if target_classes:
            check_classes(classes, target_classes)
        size = image_size or default_image_size(backbone)
        model = kt.build_model(
            backbone,
            len(classes),
            weights=None if weights.lower() == "none" else weights,
            image_size=size,
            head=head,
            backbone_options=options,
        )
        # 2 the images
        form = {
            "image_size": size,
            "resize": resize,
            "augment": augment or "none",
            "batch_size": batch_size,
            "seed": seed,
        }
        labelled = kt.data.from_directory(source, **form)
        other = kt.data.from_directory(target, **form) if target_classes else kt.data.unlabelled(target, **form)
        say(as_json, f"source  {labelled}\ntarget  {other}")
        # 3 the training
        run = {
            "schedule": schedule,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "rate": rate,
            "patience": patience,
            "cache": kept,
        }
        verbose = 0 if as_json else "auto"
        before = None
        if baseline:
            before = keras.models.clone_model(model)
            before.set_weights(model.get_weights())
            kt.adapt(before, labelled, other, method="none", validator=validator, verbose=verbose, **run)
        choice = kt.choose_adaptation(
            model, labelled, other, candidates=candidates, validator=validator, options=run, verbose=verbose
        )
        say(as_json, f"\n{choice}\n")
        # 4 the report and the export
        with warnings.catch_warnings(action="ignore", category=kt.DataWarning):  # the report lists these warnings
            report = kt.adaptation_report(model, labelled, other, before=before)
        say(as_json, f"{report}\n")
        saved = save_run(output, model, labelled, choice.histories[choice.chosen], labelled.validation)
        files = sorted([*saved.files, *save_adaptation(output, report, choice.to_dict())])
        say(as_json, f"served version  {saved.version}\nbeside it       {', '.join(files)}")
        print_json(
            as_json,
            {"version": str(saved.version), **choice.to_dict(), "adaptation": report.to_dict(), "files": files},
        )


def read_method(text: str) -> tuple[str, float]:
    """Returns the name and the weight of a method, given as NAME (with weight 1) or NAME:WEIGHT.

    Raises:
        InputError: if the weight is not a number.
    """
    name, colon, weight = text.partition(":")
    try:
        return name, float(weight) if colon else 1.0
    except ValueError:
        raise InputError(f"Expected --method NAME or NAME:WEIGHT, such as mcc:0.5. Received: {text!r}.") from None


def _classes(folder: Path) -> tuple[str, ...]:
    """Returns the names of the class folders in which pictures lie; none where pictures lie in no folders.

    Raises:
        InputError: if the folder is missing or holds no pictures.
    """
    from keras_transfer.data.files import find_images
    from keras_transfer.data.sources.folders import class_names

    root = folder.expanduser()
    if not root.is_dir():
        raise InputError(f"Expected a folder of pictures. Received: {str(folder)!r}, which is not a folder.")
    if not find_images(root):
        raise DataError(f"Expected pictures in {str(folder)!r} or in folders below it. Received: none.")
    try:
        return class_names(folder)
    except InputError:
        return ()
