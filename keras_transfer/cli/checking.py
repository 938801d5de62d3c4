"""keras-transfer check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session


@app.command()
def check(
    data: Annotated[Path, typer.Argument(help="Folder of class folders, or of train/ and val/ with class folders.")],
    image_size: Annotated[int, typer.Option(min=1, help="Height and width of images in training, in pixels.")] = 224,
    page: Annotated[Path | None, typer.Option(help="Write the findings with thumbnails to this HTML file.")] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write a list of unusable files to this CSV file, for `train --quarantine`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for damaged files, duplicates and uneven classes, of pictures or recordings.

    The exit code is 1 if there is a serious problem.
    """
    with session(as_json) as kt:
        from keras_transfer._folders import check_writable

        for file in (page, quarantine):
            if file is not None:
                check_writable(file.expanduser().parent)
        checkup = kt.data.check(data, image_size=image_size)
        say(as_json, str(checkup))
        if page is not None:
            say(as_json, f"page        {checkup.save_page(page)}")
        if quarantine is not None:
            checkup.save_quarantine(quarantine)
            say(as_json, f"quarantine  {quarantine}, {len(checkup.quarantine())} files")
        print_json(as_json, checkup.to_dict())
    if checkup.serious:
        raise typer.Exit(1)
