"""keras-transfer serve."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from keras_transfer.cli.session import Json, app, print_json, say, session

_DEFAULT = "127.0.0.1"


@app.command()
def serve(
    model: Annotated[Path, typer.Argument(help="Folder of versions 1/, 2/ and so on; the highest is served.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of REST; 0 for any free port.")] = 8501,
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of gRPC; 0 for any free port.")] = 8500,
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can connect.")
    ] = _DEFAULT,
    name: Annotated[
        str | None, typer.Option(help="Name of the model in URLs; by default the name of the folder.")
    ] = None,
    page: Annotated[bool, typer.Option("--page", help="Also serve a page to try the model in a browser.")] = False,
    max_batch: Annotated[int, typer.Option(min=1, help="Largest number of images in one batch of the network.")] = 32,
    max_body: Annotated[int, typer.Option(min=1, help="Largest size of a request in MiB.")] = 32,
    grace: Annotated[
        float, typer.Option(min=0.1, help="Seconds that running requests get to finish when the server stops.")
    ] = 30.0,
    as_json: Json = False,
) -> None:
    """Serve an exported model for development and tests, with the protocols of TF Serving."""
    with session(as_json):
        from keras_transfer.server import Limits, Server
        from keras_transfer.server.running import StopSignal

        limits = Limits(max_batch=max_batch, max_body=max_body * 2**20, grace=grace)
        server = Server(model, name=name, host=host, port=port, grpc_port=grpc_port, page=page, limits=limits)
        _show_log()
        with server:
            stop = StopSignal()
            version = server.servables.current.version if server.servables.current else None
            say(as_json, f"model    {server.servables.name}, version {version} of {server.servables.path}")
            say(as_json, f"REST     {server.model_url}:predict")
            say(as_json, f"gRPC     {server.grpc_address}")
            if page:
                say(as_json, f"page     {server.url}/")
            say(as_json, "This server is for development and tests; in production, give the same folder to TF Serving.")
            received = stop.wait()
            say(as_json, f"{received}: no new requests; those under way have {grace:g} s")
        say(as_json, "stopped")
        print_json(
            as_json,
            {"model": server.servables.name, "version": version, "url": server.url, "grpc": server.grpc_address},
        )


def _show_log() -> None:
    """Prints log messages about loaded, unloaded and broken versions to standard error."""
    log = logging.getLogger("keras_transfer.server")
    log.setLevel(logging.INFO)
    log.propagate = False  # the package's own handler writes to standard output, which is for JSON
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
