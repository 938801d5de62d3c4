"""The shell: keras-transfer train, evaluate, predict, backbones and demo.

`--help` must answer at once, so TensorFlow is imported only by the command that needs it.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_transfer._checks import DataWarning, InputError
from keras_transfer._version import __version__

app = typer.Typer(
    name="keras-transfer",
    help="Transfer learning for images: from a folder of photographs to a served SavedModel.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object last on standard output.")]


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or of train/ and val/ with class folders.")],
    backbone: Annotated[
        str, typer.Option(help="Name of a network (see `backbones`), or a SavedModel folder.")
    ] = "MobileNetV2",
    weights: Annotated[str, typer.Option(help="'imagenet', 'none' or a file of weights.")] = "imagenet",
    backbone_option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Argument of the network, such as alpha=0.75. Repeat."),
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Pixels; the network's own size by default.")] = None,
    resize: Annotated[str, typer.Option(help="crop, pad or stretch.")] = "crop",
    pooling: Annotated[str, typer.Option(help="avg, max, avg_max, gem, attention or flatten.")] = "avg",
    head: Annotated[str, typer.Option(help="linear, mlp or cosine.")] = "linear",
    schedule: Annotated[str, typer.Option(help="When stages open: feature_extraction, gradual, ...")] = "gradual",
    epochs: Annotated[int, typer.Option(help="Epochs of all phases together.")] = 10,
    learning_rate: Annotated[float, typer.Option(help="Rate of the first phase.")] = 3e-3,
    rate: Annotated[str, typer.Option(help="Within a phase: constant, one_cycle or warmup_cosine.")] = "constant",
    augment: Annotated[str, typer.Option(help="none, light or strong.")] = "none",
    batch_size: Annotated[int, typer.Option(help="Images in a batch.")] = 32,
    validation_split: Annotated[float, typer.Option(help="Share for validation where there is no val/.")] = 0.2,
    exclude: Annotated[list[str] | None, typer.Option(help="Pattern of files to leave out. Repeat.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without a better loss.")
    ] = None,
    resume_dir: Annotated[
        Path | None, typer.Option(help="Keep the run here after each epoch; the same command goes on after a crash.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of split, order, augmentation and new weights.")] = 0,
    output: Annotated[
        Path, typer.Option(help="Folder for the served versions 1/, 2/ and model.keras, history.csv, report.json.")
    ] = Path("saved_models/model"),
    as_json: Json = False,
) -> None:
    """Train a network on a folder of photographs and export it."""
    with _session(as_json) as kt:
        import keras

        from keras_transfer._folders import check_writable
        from keras_transfer.artifacts import save_run
        from keras_transfer.data.folders import class_names
        from keras_transfer.models import default_image_size

        options = _options(backbone_option or [])
        kt.schedules.plan(schedule, epochs, learning_rate, ("stage",))
        kt.rates.RATES.find(rate)
        output = output.expanduser()
        check_writable(output)
        keras.utils.set_random_seed(seed)
        size = image_size or default_image_size(backbone)
        # 1 the model, first, because what is wrong with it shows before thousands of files are read
        model = kt.build_model(
            backbone,
            len(class_names(data)),
            weights=None if weights.lower() == "none" else weights,
            image_size=size,
            pooling=pooling,
            head=head,
            backbone_options=options,
        )
        # 2 the images
        images = kt.data.from_directory(
            data,
            image_size=size,
            resize=resize,
            augment=augment,
            batch_size=batch_size,
            validation_split=validation_split,
            exclude=exclude or (),
            seed=seed,
        )
        _say(as_json, str(images))
        # 3 the training
        history = kt.fine_tune(
            model,
            images,
            schedule=schedule,
            epochs=epochs,
            learning_rate=learning_rate,
            rate=rate,
            patience=patience,
            resume_dir=resume_dir,
            verbose=0 if as_json else "auto",
        )
        # 4 how good it is, and the export
        run = save_run(output, model, images, history, images.validation)
        _say(as_json, f"\nvalidation\n{run.report}\n")
        _say(as_json, f"served version  {run.version}\nbeside it       {', '.join(run.files)}")
        _say(as_json, f"try             keras-transfer predict {output} IMAGE")
        _print_json(as_json, {"version": str(run.version), "epochs": len(history.epoch), **run.report.to_dict()})


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    data: Annotated[Path, typer.Argument(help="Folder of class folders; its test/ or else val/, if it has one.")],
    plot: Annotated[Path | None, typer.Option(help="Write the confusion matrix to this PNG file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure an exported model on a folder of photographs, as its server would answer."""
    with _session(as_json) as kt:
        from keras_transfer._folders import check_writable
        from keras_transfer.data.folders import labelled_files
        from keras_transfer.evaluation import report_on

        if plot is not None:
            check_writable(plot.parent)
            if plot.suffix != ".png":
                raise InputError(f"Expected --plot FILE.png. Received: {str(plot)!r}.")

        served = kt.load(model)
        names, splits, _ = labelled_files(data)
        if names != served.class_names:
            raise InputError(f"Expected the model's classes {list(served.class_names)}. Received: {list(names)}.")
        examples = splits.get("test") or splits.get("validation") or splits["train"]
        report = report_on(served.predict_probabilities(examples.items), examples.labels, names)
        _say(as_json, str(report))
        if plot is not None:
            report.plot().savefig(plot)
        _print_json(as_json, report.to_dict())


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    files: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Json = False,
) -> None:
    """Say what is on photographs."""
    with _session(as_json) as kt:
        predictions = kt.load(model).predict(files)
        width = max(len(str(file)) for file in files)
        for file, prediction in zip(files, predictions, strict=True):
            _say(as_json, f"{file!s:<{width}}  {prediction}")
        _print_json(
            as_json,
            {
                "predictions": [
                    {"file": str(file), "class_name": item.class_name, "probabilities": item.probabilities}
                    for file, item in zip(files, predictions, strict=True)
                ]
            },
        )


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the networks, their image sizes and their stages."""
    with _session(as_json):
        from rich.console import Console
        from rich.table import Table

        from keras_transfer.applications import BACKBONES

        table = Table("network", "image size", "smallest", "stages")
        rows = {name: BACKBONES.find(name) for name in sorted(BACKBONES.names())}
        for name, part in rows.items():
            stages = " ".join(stage for stage, _ in part.stages)
            table.add_row(name, str(part.image_size), str(part.min_image_size), stages)
        if not as_json:
            Console().print(table)
        _print_json(
            as_json,
            {
                name: {
                    "image_size": part.image_size,
                    "min_image_size": part.min_image_size,
                    "stages": [stage for stage, _ in part.stages],
                }
                for name, part in rows.items()
            },
        )


@app.command()
def demo(
    real: Annotated[bool, typer.Option(help="ImageNet weights and flower photographs; needs a network.")] = False,
    data: Annotated[Path | None, typer.Option(help="Your own folder of class folders instead.")] = None,
    backbone: Annotated[str, typer.Option(help="Network for --real and --data.")] = "MobileNetV2",
    weights: Annotated[str, typer.Option(help="Weights for --real and --data.")] = "imagenet",
    backbone_option: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="As in `train`.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for what the demo makes.")] = Path("saved_models/demo"),
    as_json: Json = False,
) -> None:
    """Watch a network learn a new task and answer from a SavedModel, without a network connection."""
    with _session(as_json):
        from keras_transfer.demo.run import run_demo, run_on_photographs

        if real or data is not None:
            options = _options(backbone_option or [])
            result = run_on_photographs(data, backbone, weights, options, output, quiet=as_json)
        else:
            result = run_demo(output, quiet=as_json)
        _print_json(as_json, result)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-transfer {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    pass


def main() -> None:
    """Runs the shell command."""
    app()


@contextmanager
def _session(as_json: bool) -> Iterator[Any]:
    """Imports the package, turns warnings into lines, and user errors into one sentence and exit code 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = _show_warning
            with _silent_stderr():
                import tensorflow  # noqa: F401  its C++ side greets on standard error whatever the log level
            import keras_transfer

            yield keras_transfer
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _silent_stderr() -> Iterator[None]:
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123  a device, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"note: {message}", err=True)


def _say(as_json: bool, text: str) -> None:
    typer.echo(text, err=as_json)


def _print_json(as_json: bool, result: Mapping[str, Any]) -> None:
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")


def _options(pairs: list[str]) -> dict[str, Any]:
    """Reads NAME=VALUE pairs; values are JSON where they can be, else text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InputError(f"Expected --backbone-option NAME=VALUE, such as alpha=0.75. Received: {pair!r}.")
        try:
            options[name] = json.loads(value.lower() if value in ("True", "False") else value)
        except json.JSONDecodeError:
            options[name] = value
    return options


if __name__ == "__main__":
    main()
