"""keras-transfer train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from keras_transfer.cli.material import material
from keras_transfer.cli.options import (
    CachePlace,
    Epochs,
    HeadName,
    Ignore,
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
def train(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Folder of class folders, or of images/ and masks/; or train/ and val/ of them.")
    ],
    backbone: Network = "MobileNetV2",
    weights: Weights = "imagenet",
    backbone_option: NetworkOptions = None,
    image_size: ImageSize = None,
    resize: Resize = "crop",
    pooling: Annotated[str, typer.Option(help="Pooling: avg, max, avg_max, gem, attention or flatten.")] = "avg",
    head: HeadName = "linear",
    schedule: ScheduleName = "gradual",
    epochs: Epochs = 10,
    learning_rate: LearningRate = 3e-3,
    rate: RateName = "constant",
    augment: Annotated[
        list[str] | None,
        typer.Option(help="none, auto, light, strong, trivial, mixup, ... Repeat for several, in order."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Number of images in a batch.")] = 32,
    validation_split: Annotated[float, typer.Option(help="Share of images for validation if there is no val/.")] = 0.2,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pattern of files to leave out. Repeat for several.")
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="CSV file of `check --quarantine` with files to leave out.")
    ] = None,
    keep_copies_together: Annotated[
        bool, typer.Option(help="Keep near-duplicates on the same side of the split.")
    ] = False,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without a lower validation loss.")
    ] = None,
    cache: CachePlace = "auto",
    recipe: Annotated[
        str | None,
        typer.Option(help="fast, default, best or ulmfit; not with --schedule, --epochs, --learning-rate or --rate."),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(help="How classes with few images count as much: class_weight, sampling or logit_adjustment."),
    ] = None,
    views: Annotated[
        int, typer.Option(min=0, help="Number of augmented views of each image to cache; 0 for none.")
    ] = 0,
    resume_dir: Annotated[
        Path | None, typer.Option(help="Save the run here after each epoch; the same command resumes it.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, sound or text; by default what most files of the folder are.")
    ] = None,
    class_names: Annotated[
        str | None, typer.Option(help="Names of the values 0, 1, ... of masks, with commas between them.")
    ] = None,
    ignore: Ignore = None,
    seed: Seed = 0,
    output: Annotated[
        Path, typer.Option(help="Folder for the exported versions 1/, 2/, model.keras, history.csv and report.json.")
    ] = Path("saved_models/model"),
    as_json: Json = False,
) -> None:
    """Train a network on a folder of pictures, recordings or texts, and export it.

    Where the folder holds images/ and masks/, the network learns a class for each pixel, by default with the head fpn.
    Texts may also be a table with the columns text and label, and need --backbone with an encoder of KerasHub.
    """
    with session(as_json) as kt:
        import keras

        from keras_transfer._folders import check_writable
        from keras_transfer.records.run import save_run
        from keras_transfer.training.balancing import BALANCES
        from keras_transfer.training.recipes import RECIPES

        options = read_options(backbone_option or [])
        kt.schedules.plan(schedule, epochs, learning_rate, ("stage",))
        planned: dict[str, Any] = {"schedule": schedule, "epochs": epochs, "learning_rate": learning_rate}
        if recipe is not None:
            RECIPES.find(recipe)
            given = [name for name in (*planned, "rate") if _is_given(context, name)]
            if given:
                options_given = ", ".join(f"--{name.replace('_', '-')}" for name in given)
                raise kt.InputError(f"Expected --recipe alone, which sets these itself. Received: {options_given}.")
            planned = {"recipe": recipe}
        kt.rates.RATES.find(rate)
        if balance is not None:
            balance = BALANCES.spelled(balance)
        kept = False if cache == "off" else kt.Cache(cache, views=views)
        output = output.expanduser()
        check_writable(output)
        keras.utils.set_random_seed(seed)
        # 1 the model and the data
        model, examples, named = material(
            data,
            {
                "backbone": backbone,
                "weights": None if weights.lower() == "none" else weights,
                "pooling": pooling,
                "head": head,
                "backbone_options": options,
            },
            {
                "image_size": image_size,
                "resize": resize,
                "augment": augment or "none",
                "batch_size": batch_size,
                "validation_split": validation_split,
                "groups": "duplicates" if keep_copies_together else None,
                "exclude": exclude or (),
                "quarantine": quarantine,
                "class_names": [name.strip() for name in class_names.split(",")] if class_names else None,
                "ignore": ignore or None,
                "seed": seed,
            },
            lambda name: _is_given(context, name),
            kind,
        )
        say(as_json, str(examples))
        # 2 the training
        history = kt.fine_tune(
            model,
            examples,
            **planned,
            rate=rate,
            balance=balance,
            patience=patience,
            cache=kept,
            resume_dir=resume_dir,
            verbose=0 if as_json else "auto",
        )
        # 3 the evaluation and the export
        run = save_run(output, model, examples, history, examples.validation)
        say(as_json, f"\nvalidation\n{run.report}\n")
        say(as_json, f"served version  {run.version}\nbeside it       {', '.join(run.files)}")
        say(as_json, f"try             keras-transfer predict {output} {named.upper()}")
        print_json(as_json, {"version": str(run.version), "epochs": len(history.epoch), **run.report.to_dict()})


def _is_given(context: typer.Context, name: str) -> bool:
    """Says whether an option stands in the command, and has not its default value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
