"""The page to try a model with pictures, recordings or texts: one HTML file that asks the REST endpoints."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.servables import Servables

# so that the page loads nothing from elsewhere, even if the name of a class holds HTML
_POLICY = (
    "default-src 'none'; img-src blob: data:; media-src blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_page(app: FastAPI, servables: Servables) -> None:
    """Adds the page at `/`, and at `/page/model` the JSON that it needs about the served version."""
    text = files("keras_transfer.server").joinpath("page.html").read_text(encoding="utf-8")

    def page() -> HTMLResponse:
        return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY})

    def model() -> dict[str, object]:
        servable = servables.current
        if servable is None:
            raise Fault(Code.UNAVAILABLE, "No version is loaded.")
        return {
            "name": servables.name,
            "version": servable.version,
            "signatures": sorted(servable.signatures),
            "class_names": servable.description.get("class_names", []),
            "kind": servable.description.get("kind", "image"),
        }

    app.add_api_route("/", page, methods=["GET"], response_model=None)
    app.add_api_route("/page/model", model, methods=["GET"])
