"""Makes docs/serve_page.png: the page of `keras-transfer serve --page`, with a picture that was chosen and explained.

    keras-transfer demo                                    # trains saved_models/demo on drawn leaves
    python docs/serve_page.py saved_models/demo PICTURE

Needs Chromium and playwright (`pip install "keras-transfer[test]"`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from keras_transfer.server import Server


def main(model: str, picture: str) -> None:
    """Chooses the picture on the page, waits for the heat map and takes the screenshot."""
    output = Path(__file__).with_name("serve_page.png")
    with (
        Server(model, name="leaves", port=0, grpc_port=0, page=True) as server,
        sync_playwright() as browsers,
        browsers.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 1080, "height": 880}, color_scheme="light")
        page.goto(server.url)
        with page.expect_file_chooser() as chooser:
            page.click("#drop")
        chooser.value.set_files(picture)
        page.wait_for_selector("#heat[data-class]")
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)
        page.screenshot(path=output, full_page=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
