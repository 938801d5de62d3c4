"""keras-transfer convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session


@app.command()
def convert(
    version: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    to: Annotated[
        list[str] | None,
        typer.Option(help="onnx, litert, litert_float16, litert_int8 or openvino. Repeat; all by default."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of class folders to compare on, and to calibrate int8 with; else drawn pictures."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the files; that of the versions by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most pictures to compare on.")] = 1000,
    as_json: Json = False,
) -> None:
    """Write files for other runtimes: size, speed and accuracy beside the SavedModel's.

    A file that answers something else than the SavedModel is not published; exit code 1 tells that.
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
