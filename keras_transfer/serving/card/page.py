"""The model card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_transfer.tasks import task_of_activation

_UNKNOWN = "not recorded"
_COLUMNS = ("precision", "recall", "f1", "mae", "rmse", "r2")


def card_page(card: Mapping[str, Any]) -> str:
    """Returns a model card, as `model_card` returns it, as Markdown text."""
    model = card["model"]
    built = model["built_of"] or {}
    possible = f"; the possible ones, with a chance of {model['coverage']:g}" if model.get("coverage") else ""
    if model.get("min_accuracy"):
        possible += f"; no answer where it is not sure: of those given, {model['min_accuracy']:g} or more are right"
    each = "" if model["activation"] == "linear" else f" a {model['takes'].removesuffix('s')}"
    views = f", averaged over {model['views']!r}" if model.get("views") else ""
    options = ", ".join(f"{name}={value}" for name, value in built.get("options", {}).items())
    parts = [
        f"# Model card: {model['network']}",
        f"Made {card['made']}. [model_card.json](model_card.json) holds the same for programs.",
        "## What it is",
        _table(
            ("", ""),
            [
                ("network", model["network"] + (f" ({options})" if options else "")),
                ("pretrained weights", built.get("weights", _UNKNOWN)),
                ("pooling, head", f"{built['pooling']}, {built['head']}" if built else _UNKNOWN),
                ("parameters", f"{model['parameters']:,}"),
                (model["takes"], f"{model['form']}{views}"),
                ("answers", task_of_activation(model["activation"], model.get("axes", 0)).described + each + possible),
                (
                    "values" if model["activation"] == "linear" else "classes",
                    f"{len(model['class_names'])}: {', '.join(model['class_names'])}",
                ),
            ],
        ),
        "## Intended use",
        "To be written by the author: who uses it and for what, and which decisions must not depend on it.",
        *_data(card["data"]),
        *_training(card["training"]),
        *_evaluation(card["evaluation"], model["takes"]),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Versions",
        ", ".join(f"{name} {version}" for name, version in card["versions"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _data(data: Mapping[str, Any] | None) -> list[str]:
    if data is None:
        return ["## Data", _UNKNOWN]
    splits = list(data["counts"])
    names = list(dict.fromkeys(name for counts in data["counts"].values() for name in counts))
    rows = [(name, *(data["counts"][split].get(name, 0) for split in splits)) for name in names]
    rows.append(("all", *(data["images"][split] for split in splits)))
    augmentation = data["augmentation"]
    said = [
        f"Folder {data['folder']}" if data["folder"] else "Not from a folder",
        f"{data['left_out']} files left out",
        f"augmentation {augmentation if isinstance(augmentation, str) else ', '.join(augmentation)}",
        f"batches of {data['batch_size']}, seed {data['seed']}",
    ]
    return ["## Data", "; ".join(said) + ".", _table(("class", *splits), rows)]


def _training(training: Mapping[str, Any] | None) -> list[str]:
    if training is None:
        return ["## Training", _UNKNOWN]
    best = f", the best was epoch {training['best_epoch']}" if training["best_epoch"] else ""
    said = f"{training['epochs']} epochs{best}; optimizer {training['optimizer'] or _UNKNOWN}."
    if not training["phases"]:
        return ["## Training", said]
    rows = [(phase["epochs"], phase["unfrozen"], f"{phase['learning_rate']:g}") for phase in training["phases"]]
    return ["## Training", said, _table(("epochs", "open", "learning rate"), rows)]


def _evaluation(evaluation: Mapping[str, Any] | None, noun: str) -> list[str]:
    if evaluation is None:
        return ["## How good it is", _UNKNOWN]
    split = f" of the {evaluation['split']} split" if evaluation["split"] else ""
    said = (
        f"{evaluation['images']} {noun}{split}"
        + ("; in brackets 95% confidence intervals (Wilson)" if evaluation["intervals"] else "")
        + "."
    )
    if evaluation["chose_the_epoch"]:
        said += f" The best epoch was chosen on the same {noun}, so the metrics are optimistic."
    metrics = [
        (name.replace("_", " "), _number(value) + _interval(evaluation["intervals"].get(name)))
        for name, value in evaluation["metrics"].items()
    ]
    rows = evaluation["per_class"]
    columns = [key for key in _COLUMNS if all(key in row for row in rows.values())]
    classes = [
        (
            name,
            *(_number(row[key]) + _interval(row.get(f"{key}_interval")) for key in columns),
            f"{row['support']:.0f}",
        )
        for name, row in rows.items()
    ]
    return [
        "## How good it is",
        said,
        _table(("metric", "value"), metrics),
        _table(("class" if "precision" in columns else "value", *columns, "support"), classes),
    ]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _interval(bounds: Sequence[float] | None) -> str:
    return "" if bounds is None else f" ({bounds[0]:.3f} to {bounds[1]:.3f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
