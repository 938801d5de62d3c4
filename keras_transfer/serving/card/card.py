"""The model card of a version: the model, its data and training, its measured quality and its limits.

After Mitchell et al., "Model Cards for Model Reporting" (2019), https://arxiv.org/abs/1810.03993. The card contains
what a run can record. Its author must write the rest, such as the intended use.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer.data import PipelineData
from keras_transfer.models.origins import name_of, origin_of
from keras_transfer.serving.card.page import card_page
from keras_transfer.serving.description import Description, library_versions
from keras_transfer.tasks import Report, ValuesReport

JSON, MARKDOWN = "model_card.json", "model_card.md"

_MANY, _OFF = 100, 0.05  # pictures from which a calibration error counts, and what is too much
_FEW = 30  # with fewer images of a class, its metrics are too uncertain
_ADAPTED = (
    "The model was adapted to pictures of another domain without labels. Data and metrics are those passed to "
    "`export`, usually of the labelled source; they do not show how good the model is on the target domain."
)


def write_card(
    folder: Path,
    model: keras.Model,
    description: Description,
    data: PipelineData | None,
    report: Report | ValuesReport | None,
) -> None:
    """Writes the model card into a version's folder, as JSON for programs and as Markdown for people."""
    card = model_card(model, description, data, report)
    (folder / JSON).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(card_page(card), encoding="utf-8")


def model_card(
    model: keras.Model, description: Description, data: PipelineData | None, report: Report | ValuesReport | None
) -> dict[str, Any]:
    """Returns the content of the model card as plain values for JSON; None stands for what is not recorded."""
    origin, history = origin_of(model), getattr(model, "history", None)
    trained = _training(history, model) if getattr(history, "epoch", None) else None
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "network": model.name if origin is None else origin.backbone,
            "built_of": None if origin is None else {**asdict(origin), "options": dict(origin.options)},
            "parameters": model.count_params(),
            "kind": description.kind.name,
            "takes": description.kind.files,
            "form": description.kind.form,
            **description.kind.described(),
            "views": description.views,
            "coverage": description.coverage,
            "min_accuracy": description.min_accuracy,
            "activation": description.activation,
            "axes": description.axes,
            "class_names": list(description.class_names),
        },
        "data": None if data is None else _data(data),
        "training": trained,
        "evaluation": None if report is None else _evaluation(report, data, trained is not None),
        "limits": [*_limits(description, data, report), *([_ADAPTED] if hasattr(history, "validator") else [])],
        "versions": library_versions(),
    }


def wilson(successes: float, trials: float) -> list[float] | None:
    """Returns the 95% confidence interval (lower, upper) of the share `successes / trials`, or None if `trials` is 0.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), computed by SciPy.

    Example:
        >>> [round(bound, 3) for bound in wilson(90, 100)]
        [0.826, 0.945]
    """
    from scipy.stats import binomtest

    if not trials:
        return None
    interval = binomtest(round(successes), round(trials)).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def _data(data: PipelineData) -> dict[str, Any]:
    return {
        "folder": data.root.name if data.root is not None else None,  # without its path, which is private
        "images": {split: len(examples) for split, examples in data.splits.items()},
        "counts": data.counts,
        "left_out": len(data.left_out),
        "augmentation": [name_of(part) for part in data.augment]
        if isinstance(data.augment, (list, tuple))
        else name_of(data.augment),
        "batch_size": data.batch_size,
        "seed": data.seed,
    }


def _training(history: keras.callbacks.History, model: keras.Model) -> dict[str, Any]:
    judge = getattr(history, "validator", "val_loss")  # the validator of an adaptation, where higher is better
    values = history.history.get(judge, [])
    best = np.nanargmin if judge == "val_loss" else np.nanargmax
    return {
        "epochs": len(history.epoch),
        "best_epoch": int(best(values)) + 1 if np.isfinite(values).any() else None,
        "phases": [asdict(phase) for phase in getattr(history, "phases", ())] or None,
        "optimizer": type(model.optimizer).__name__ if getattr(model, "optimizer", None) else None,
    }


def _evaluation(report: Report | ValuesReport, data: PipelineData | None, chosen_by_validation: bool) -> dict[str, Any]:
    split = None
    if data is not None:
        split = next((name for name in ("test", "validation") if data.counts.get(name) == report.counts), None)
    images, found = report.images, report.to_dict()
    intervals, per_class = {}, found["per_class"]
    if isinstance(report, Report):
        intervals = {name: wilson(share * images, images) for name, share in report.shares.items()}
        per_class = {}
        for index, (name, row) in enumerate(found["per_class"].items()):
            hits, predicted, true = report.tally(index)
            per_class[name] = {
                **row,
                "precision_interval": wilson(hits, predicted),
                "recall_interval": wilson(hits, true),
            }
    return {
        "images": images,
        "split": split,
        "chose_the_epoch": split == "validation" and chosen_by_validation,
        "metrics": found["metrics"],
        "intervals": intervals,
        "per_class": per_class,
    }


def _limits(description: Description, data: PipelineData | None, report: Report | ValuesReport | None) -> list[str]:
    """Returns sentences about what the model cannot do, and what the metrics do not show."""
    limits = [*description.kind.limits, *description.task.limits]
    if report is None:
        limits.append("It was exported without a report: this card does not show how good it is.")
    else:
        few = [name for name, row in report.per_class.items() if row["support"] < _FEW]
        if few:
            limits.append(
                f"Fewer than {_FEW} {description.kind.files} were evaluated of {', '.join(few)}: see the intervals."
            )
        error = report.metrics.get("calibration_error", 0.0)
        if error > _OFF and report.images >= _MANY:
            limits.append(
                f"Its probabilities are {100 * error:.0f} points too high or too low on average: they are no chances "
                "to reckon with."
            )
    if data is not None:
        limits.append(
            f"Its metrics hold for {description.kind.files} like those it was evaluated on, and not for another "
            f"{description.kind.maker} or place."
        )
        copies = "The split may have near-duplicates on both sides; `keras-transfer check` finds them."
        limits.append(copies if all(part.groups is None for part in data.splits.values()) else "")
    return [limit for limit in limits if limit]
