"""keras-transfer convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session


@app.command()
def convert(
    version: Annotated[Path, typer.Argument(help="Folder of an exported version, or of versions for the newest.")],
    to: Annotated[
        list[str] | None,
        typer.Option(help="onnx, litert, litert_float16, litert_int8 or openvino. Repeat for several; by default all."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of class folders to compare on and to calibrate int8 with; by default generated pictures."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the files; by default the folder of versions.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of pictures to compare on.")] = 1000,
    as_json: Json = False,
) -> None:
    """Convert an exported model to files for other runtimes, and compare size, speed and accuracy.

    A file whose outputs differ from those of the SavedModel is not published, and the exit code is 1.
    """
    with session(as_json) as kt:
        from keras_transfer.runtimes.converting import run
        from keras_transfer.serving.versions import find_version

        folder = find_version(version)
        report = run(
            folder,
            to or kt.available("format"),
            data=data,
            root=output or folder.parent,
            limit=limit,
            note=lambda line: typer.echo(f"{line} ...", err=True),
        )
        say(as_json, f"\n{report}\n")
        for result in report.results:
            if result.path is not None:
                say(as_json, f"{result.format:<16}{result.path}")
            elif not result.passed:
                typer.echo(result.complaint, err=True)
        print_json(as_json, report.to_dict())
    if not report.passed:
        raise typer.Exit(1)
