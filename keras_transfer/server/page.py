"""The page to try a model in a browser: one file that asks the server's own REST endpoints."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.servables import Servables

# nothing is loaded from anywhere else, whatever a class is called
_POLICY = (
    "default-src 'none'; img-src blob: data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_page(app: FastAPI, servables: Servables) -> None:
    """Adds the page at `/`, and at `/page/model` what it must know of the version that is served."""
    text = files("keras_transfer.server").joinpath("page.html").read_text(encoding="utf-8")

    def page() -> HTMLResponse:
        return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY})

    def model() -> dict[str, object]:
        servable = servables.current
        if servable is None:
            raise Fault(Code.UNAVAILABLE, "No version is served.")
        return {
            "name": servables.name,
            "version": servable.version,
            "signatures": sorted(servable.signatures),
            "class_names": servable.description.get("class_names", []),
        }

    app.add_api_route("/", page, methods=["GET"], response_model=None)
    app.add_api_route("/page/model", model, methods=["GET"])
