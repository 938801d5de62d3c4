"""keras-transfer choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_transfer._checks import InputError
from keras_transfer.cli.options import Resize, Seed
from keras_transfer.cli.session import Json, app, print_json, say, session


@app.command()
def choose(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or of train/ and val/ with class folders.")],
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="Name of a network. Repeat for several; by default ten from small to large; 'all' for all."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Score that orders them: logme, solved_head, ... Repeat to show others beside the first."),
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Number of training images to look at.")] = 1000,
    image_size: Annotated[int, typer.Option(min=1, help="Height and width in pixels.")] = 224,
    resize: Resize = "crop",
    seed: Seed = 0,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy over milliseconds an image to this PNG file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Rank networks for a folder of photographs, by one pass of each and without training."""
    with session(as_json) as kt:
        from keras_transfer._folders import check_writable

        if plot is not None:
            check_writable(plot.expanduser().parent)
            if plot.suffix != ".png":
                raise InputError(f"Expected --plot FILE.png. Received: {str(plot)!r}.")
        pictures = kt.data.from_directory(data, image_size=image_size, resize=resize, seed=seed)
        candidates = "all" if candidate == ["all"] else candidate or None
        verbose = 0 if as_json else "auto"
        ranking = kt.rank_backbones(pictures, candidates, by or "logme", images=images, verbose=verbose)
        say(as_json, f"\n{ranking}")
        if plot is not None:
            ranking.plot().savefig(plot.expanduser())
            say(as_json, f"picture     {plot}")
        say(as_json, f"try         keras-transfer train {data} --backbone {ranking.best} --recipe default")
        print_json(as_json, ranking.to_dict())
