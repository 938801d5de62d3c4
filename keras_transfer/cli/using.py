"""keras-transfer evaluate, predict, backbones and demo."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_transfer._checks import InputError
from keras_transfer.cli.options import Ignore
from keras_transfer.cli.session import Json, app, print_json, read_options, say, session


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    data: Annotated[
        Path,
        typer.Argument(help="Folder of class folders, or of images/ and masks/; test/ is used, else val/, else all."),
    ],
    plot: Annotated[Path | None, typer.Option(help="Write the confusion matrix to this PNG file.")] = None,
    ignore: Ignore = None,
    as_json: Json = False,
) -> None:
    """Measure the quality of an exported model on a folder of labelled photographs."""
    with session(as_json) as kt:
        from keras_transfer._folders import check_writable
        from keras_transfer.data.sources.folders import labelled_files
        from keras_transfer.insight.evaluation import report_on
        from keras_transfer.tasks.report import check_names

        if plot is not None:
            check_writable(plot.parent)
            if plot.suffix != ".png":
                raise InputError(f"Expected --plot FILE.png. Received: {str(plot)!r}.")

        served = kt.load(model)
        if served.description.axes == 2:
            report = _report_of_masks(served, data, ignore)
        else:
            names, splits, _ = labelled_files(data, max(served.image_size))
            examples = splits.get("test") or splits.get("validation") or splits["train"]
            check_names(served.class_names, names)
            probabilities = served.predict_probabilities(examples.items)
            report = report_on(probabilities, examples.labels, names, None, served.class_names)
        say(as_json, str(report))
        if plot is not None:
            report.plot().savefig(plot)
        print_json(as_json, report.to_dict())


def _report_of_masks(served: Any, data: Path, ignore: list[int] | None) -> Any:
    """Compares the masks of a version with those of a folder, of its test pictures, or of others where it has none.

    Values of masks are read as in training, where the version knows how that was; else they are the numbers of its
    classes.
    """
    from keras_transfer.data import ImageData
    from keras_transfer.data.masks.legend import as_given
    from keras_transfer.data.masks.pairing import find_pairs
    from keras_transfer.data.sources.assembling import Assembly
    from keras_transfer.data.sources.masks import masked_examples
    from keras_transfer.insight.evaluation import report_in_parts

    kind, known = served.kind, served.description.masks
    values, ignored = as_given(known) if known else ({name: n for n, name in enumerate(served.class_names)}, [])
    found = masked_examples(
        data,
        Assembly(kind.image_size, kind.resize, "none", 8, 0.2, 0, kind.pixel_range),
        values=None if find_pairs(data).classes else values,
        ignore=[*ignored, *(ignore or [])],
    )
    chosen = next(found.splits[name] for name in ("test", "validation", "train") if name in found.splits)
    names = found.legend.class_names
    masked = ImageData(
        {"train": chosen}, names, kind.image_size, kind.resize, batch_size=8, pixel_range=kind.pixel_range
    )
    answers = (
        (served.predict_probabilities(images.numpy()), labels.numpy()) for images, labels in masked.in_order("train")
    )
    return report_in_parts(answers, masked.class_names, served.description.task, served.class_names)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of images, sounds or texts, or folders of them, at any depth; or a text itself."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="Write the predictions for one folder to this .csv or .parquet file, or masks to this folder; "
            "goes on if stopped."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the classes of photographs, sounds or texts with an exported model."""
    with session(as_json) as kt:
        from keras_transfer.data.by_kind import faults_in, files_of
        from keras_transfer.data.formats.naming import format_named
        from keras_transfer.data.kinds import Images, Texts

        if output is not None:
            if len(files) != 1:
                raise InputError(f"Expected one folder with --output. Received: {len(files)} files.")
            table = kt.predict_folder(model, files[0], output, verbose=0 if as_json else "auto")
            say(as_json, f"predictions: {table}")
            print_json(as_json, {"output": str(table)})
            return
        served = kt.load(model)
        kind = served.kind
        asked = [path for file in files for path in (files_of(kind, file) if file.is_dir() else [file])]
        if not asked:
            raise InputError(f"Expected {kind.noun} in {', '.join(map(str, files))}. Received: none.")
        # what is named like no image may hold one all the same: it is tried
        named = [file for file in asked if format_named(file)] if isinstance(kind, Images) else asked
        written = [file for file in asked if isinstance(kind, Texts) and not file.exists()]  # no file: the text itself
        left_out = faults_in(kind, [file for file in named if file not in written])
        bad = {item.path for item in left_out}
        files = [file for file in asked if file not in bad]
        if not files:
            said = "; ".join(map(str, left_out[:10]))
            raise InputError(f"Expected {kind.noun} that can be read. Received: {said}.")
        for item in left_out:
            typer.echo(f"left out: {item}", err=True)
        answer = (served.predict, served.tag, served.segment)[served.description.axes]
        predictions: Sequence[Any] = answer([str(file) if file in written else file for file in files])
        width = max(len(str(file)) for file in files)
        for file, prediction in zip(files, predictions, strict=True):
            say(as_json, f"{file!s:<{width}}  {prediction}")
        print_json(
            as_json,
            {
                "predictions": [
                    {"file": str(file), **item.to_dict()} for file, item in zip(files, predictions, strict=True)
                ],
                "left_out": [{"file": str(item.path), "reason": item.reason} for item in left_out],
            },
        )


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the networks, their image sizes and their stages."""
    with session(as_json):
        from rich.console import Console
        from rich.table import Table

        from keras_transfer.models.backbones.applications import BACKBONES

        table = Table("network", "image size", "smallest", "stages")
        rows = {name: BACKBONES.find(name) for name in sorted(BACKBONES.names())}
        for name, part in rows.items():
            stages = " ".join(stage for stage, _ in part.stages)
            table.add_row(name, str(part.image_size), str(part.min_image_size), stages)
        if not as_json:
            Console().print(table)
        print_json(
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


class DemoKind(StrEnum):
    """What a demo is about."""

    IMAGE, SOUND, TEXT = "image", "sound", "text"


@app.command()
def demo(
    kind: Annotated[DemoKind, typer.Option(help="Pictures of leaves, calls of birds, or reviews.")] = DemoKind.IMAGE,
    real: Annotated[
        bool, typer.Option(help="Use ImageNet weights and photographs of flowers, which are downloaded.")
    ] = False,
    data: Annotated[Path | None, typer.Option(help="Use your own folder of class folders.")] = None,
    backbone: Annotated[str, typer.Option(help="Network for --real and --data.")] = "MobileNetV2",
    weights: Annotated[str, typer.Option(help="Weights for --real and --data.")] = "imagenet",
    backbone_option: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="As in `train`.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("saved_models/demo"),
    as_json: Json = False,
) -> None:
    """Run a demo: train a network on a new task, export it and predict. Needs no internet connection."""
    with session(as_json):
        from keras_transfer.demo import birds, leaves, photographs, reviews

        demos = {
            DemoKind.IMAGE: leaves.tell_leaves,
            DemoKind.SOUND: birds.tell_birds,
            DemoKind.TEXT: reviews.tell_money,
        }
        if real or data is not None:
            if kind is not DemoKind.IMAGE:
                raise InputError(f"Expected no --kind with --real or --data. Received: --kind {kind}.")
            options = read_options(backbone_option or [])
            result = photographs.run_on_photographs(data, backbone, weights, options, output, quiet=as_json)
        else:
            result = demos[kind](output, quiet=as_json)
        print_json(as_json, result)
