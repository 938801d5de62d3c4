"""Makes docs/pictures/: what the demo prints and what the benchmarks hold, as small pictures.

    keras-transfer demo --json > demo.json        # saved_models/demo and the figures of three seeds
    python docs/pictures.py saved_models/demo demo.json

Every number comes from these two, or from the tables of benchmarks/README.md and benchmarks/adaptation.md.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import keras_transfer as kt
from keras_transfer.plots import Figure

DOCS = Path(__file__).parent
OURS, OTHERS = "#00897b", "#b0bec5"


def bars(rows: dict[str, float], title: str, ours: tuple[str, ...], form: str = "{:.3f}") -> Figure:
    """Draws one bar for each row, its number at its end; ours in colour."""
    figure = Figure(figsize=(6.4, 0.6 + 0.34 * len(rows)), dpi=90, layout="constrained")
    axes = figure.subplots()
    names = list(rows)[::-1]
    colours = [OURS if name in ours else OTHERS for name in names]
    drawn = axes.barh(names, [rows[name] for name in names], color=colours)
    axes.bar_label(drawn, [form.format(rows[name]) for name in names], padding=3)
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.margins(x=0.12)
    return figure


def table(page: str, title: str) -> list[list[str]]:
    """Returns the rows of the first table below a title of a page of benchmarks."""
    text = (DOCS.parent / "benchmarks" / page).read_text()
    head, line = rf"^#+ {re.escape(title)}\n", r"\|[^\n]*\n"
    found = re.search(rf"{head}.*?\n{line}\|[-|]+\n((?:{line})+)", text, flags=re.DOTALL | re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.group(1).splitlines()]


def speed() -> Figure:
    """How many times faster twenty epochs of a new head are, and so on, as benchmarks/README.md says."""
    titles = {
        "Frozen network, new head, 20 epochs end to end": "new head, 20 epochs",
        "Three phases: head 10 epochs, last stage 5, last two 5": "head, then two stages, 20 epochs",
    }
    rows = {}
    for title, short in titles.items():
        for row in table("README.md", title):
            rows[f"{row[0].split(',')[0]}, {short}"] = float(row[-1])
    return bars(rows, "Times faster than plain Keras, end to end", tuple(rows), "{:.1f}")


def adaptation() -> Figure:
    """Accuracy on unlabelled sketches, by method, as benchmarks/adaptation.md says."""
    rows = {row[0]: float(row[1]) for row in table("adaptation.md", "PACS photo to sketch")}
    return bars(rows, "Photographs to unlabelled sketches (PACS): accuracy, median of three seeds", ("mcc",))


def transfer(demo: dict) -> Figure:
    """Accuracy on drawn leaves with and without transfer, as the demo prints it."""
    return bars(demo["accuracy"], "Eight kinds of leaves, ten labels each: accuracy, three seeds", ("transfer",))


def schedule(folder: Path) -> Figure:
    """What was open in which epoch of the demo, with the accuracy over it."""
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    history = {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    stages = kt.stages(kt.build_model("MobileNet", 8, weights=None, image_size=96, backbone_options={"alpha": 0.25}))
    return kt.plot_schedule(kt.schedules.gradual(len(rows), 1e-2, stages), stages, history=history)


def heat_maps(folder: Path) -> Figure:
    """Leaves, what the served model says of them, and where it looked."""
    served = kt.load(folder)
    files = [sorted((folder / "leaves" / "test" / name).iterdir())[0] for name in served.class_names]
    images = [np.asarray(image) for image in _decoded(served, files)]
    figure = Figure(figsize=(8, 2.4), layout="constrained")
    rows = figure.subplots(2, len(files))
    answers = served.predict(files)
    for column, (image, heat, answer) in enumerate(zip(images, served.heat_maps(files), answers, strict=True)):
        rows[0, column].imshow(image)
        rows[0, column].set_title(str(answer), fontsize=9)
        rows[1, column].imshow(image.mean(axis=-1), cmap="gray")
        rows[1, column].imshow(heat, cmap="inferno", alpha=0.55)
    for axes in rows.flat:
        axes.axis("off")
    return figure


def _decoded(served: kt.ServedModel, files: list[Path]) -> np.ndarray:
    import tensorflow as tf

    decode = tf.saved_model.load(str(served.path)).signatures["decode_images"]
    return decode(image_bytes=tf.constant([file.read_bytes() for file in files]))["images"].numpy()


def main(folder: Path, demo: dict) -> None:
    """Writes every picture."""
    target = DOCS / "pictures"
    target.mkdir(exist_ok=True)
    figures = {
        "speed": speed(),
        "adaptation": adaptation(),
        "transfer": transfer(demo),
        "schedule": schedule(folder),
        "heat_maps": heat_maps(folder),
    }
    for name, figure in figures.items():
        figure.savefig(target / f"{name}.png", dpi=80)
        if name == "heat_maps":  # photographs take room: 128 colours are enough
            Image.open(target / f"{name}.png").convert("RGB").quantize(128).save(target / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text().splitlines()[-1]))
