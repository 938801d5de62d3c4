"""keras-transfer cache list and cache clear."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session

cache = typer.Typer(help="List or delete the cached activations of frozen networks on disk.", no_args_is_help=True)
app.add_typer(cache, name="cache")

Folder = Annotated[
    Path | None, typer.Option(help="Folder of the cache; by default KERAS_TRANSFER_CACHE or ~/.cache/keras_transfer.")
]


@cache.command("list")
def list_entries(folder: Folder = None, as_json: Json = False) -> None:
    """List the cached activations, the last used first."""
    with session(as_json) as kt:
        from keras_transfer.caching.folder import entries

        path = kt.Cache(folder=folder).path
        found = entries(path)
        for entry in found:
            used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
            say(as_json, f"{entry.size / 1e6:>10,.1f} MB  {used}  {entry.about}")
        say(as_json, f"{sum(entry.size for entry in found) / 1e6:>10,.1f} MB  in {path}")
        print_json(
            as_json,
            {
                "folder": str(path),
                "entries": [{"about": entry.about, "bytes": entry.size, "used": entry.used} for entry in found],
            },
        )


@cache.command()
def clear(folder: Folder = None, as_json: Json = False) -> None:
    """Delete all cached activations. They are computed again when needed."""
    with session(as_json) as kt:
        from keras_transfer.caching import folder as folders

        path = kt.Cache(folder=folder).path
        gone = folders.clear(path)
        size = sum(entry.size for entry in gone)
        say(as_json, f"deleted {len(gone)} entries, {size / 1e6:,.1f} MB, from {path}")
        print_json(as_json, {"folder": str(path), "deleted": len(gone), "bytes": size})
