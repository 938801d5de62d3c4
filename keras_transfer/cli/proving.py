"""keras-transfer verify and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session


@app.command()
def verify(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    data: Annotated[Path | None, typer.Option(help="Folder of pictures to compare on as well.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Number of pictures of --data to use.")] = 64,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference to accept; by default that of the export.")
    ] = None,
    keras_model: Annotated[
        Path | None, typer.Option(help="The .keras file of the model; by default model.keras beside the versions.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="PEM file of the public key to check the signature with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the outputs of an exported model with those of the original. The exit code is 1 if they differ."""
    with session(as_json) as kt:
        from keras_transfer.serving.proof.hashes import check_hashes
        from keras_transfer.serving.versions import find_version

        check_hashes(find_version(model), public_key)
        found = kt.verify(model, data=data, model=keras_model, tolerance=tolerance, images=images)
        say(as_json, f"{found}\nfiles as they were exported{', signature valid' if public_key else ''}")
        print_json(as_json, {"signed": public_key is not None, **found.to_dict()})
    if not found.passed:
        raise typer.Exit(1)


@app.command()
def sign(
    model: Annotated[Path, typer.Argument(help="An exported version, or the folder of versions.")],
    key: Annotated[Path, typer.Option(help="PEM file of an Ed25519 private key.")],
    as_json: Json = False,
) -> None:
    """Sign the hashes of an exported model, so that others can check that it is yours and unchanged."""
    with session(as_json) as kt:
        written = kt.sign(model, key)
        say(as_json, f"signed  {written}")
        print_json(as_json, {"signature": str(written)})
