"""adaptation_report: compares source and target before and after an adaptation, in numbers and a picture."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_transfer._checks import DataWarning, unknown
from keras_transfer.adaptation.domain_checks import check_target
from keras_transfer.adaptation.signs import shares_of, signs_of_negative_transfer
from keras_transfer.adaptation.validators import Outputs
from keras_transfer.adaptation.watching import network_of, outputs_of
from keras_transfer.data import PipelineData, Shift
from keras_transfer.data.inspection.shift import shift_of
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.sources.unlabelled import blinded, is_labelled
from keras_transfer.insight.evaluation import report_on
from keras_transfer.plots.points import plot_domains
from keras_transfer.tasks import Report, ValuesReport
from keras_transfer.training.compatibility import check_fit
from keras_transfer.training.relay import quiet_tracing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = 500  # points of a domain in the picture


@dataclass(frozen=True, eq=False)
class AdaptationReport:
    """The result of `adaptation_report`. `print(report)` shows it as tables.

    Attributes:
        class_names: name of each class.
        distance: proxy A-distance of source and target in [0, 2] under "before" and "after"; 0 if a classifier cannot
            tell the domains apart.
        source_shares: share of each class in the labels of the source, by class name.
        target_shares: share of the target's images for which each class is predicted, under "before" and "after", then
            by class name.
        accuracy: the `Report` on the target's labels under "before" and "after"; empty if the target has no labels.
            Training and choosing did not use it. It is of the test split, or of the validation or training split if
            there is no test split; so are `target_shares`.
        signs: sentences that each name a sign of negative transfer.
        shifts: the features of both domains under "before" and "after".
    """

    class_names: tuple[str, ...]
    distance: dict[str, float]
    source_shares: dict[str, float]
    target_shares: dict[str, dict[str, float]]
    accuracy: dict[str, Report | ValuesReport]
    signs: tuple[str, ...]
    shifts: Mapping[str, Shift]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything except the features as values for JSON."""
        return {
            "class_names": list(self.class_names),
            "distance": self.distance,
            "source_shares": self.source_shares,
            "target_shares": self.target_shares,
            "accuracy": {when: report.to_dict() for when, report in self.accuracy.items()},
            "signs": list(self.signs),
        }

    def plot(self, method: str = "pca") -> Figure:
        """Draws the features of source and target in two dimensions, before and after the adaptation.

        Args:
            method: "pca", the two directions of the largest variance, or "tsne", which shows clusters and takes longer.

        Raises:
            InputError: if the method is unknown.
        """
        if method not in ("pca", "tsne"):
            raise unknown("method", method, ["pca", "tsne"])
        panels = {}
        for when, shift in self.shifts.items():
            first, second = (_some(features) for features in (shift.first, shift.second))
            places = _two_dimensions(np.concatenate([first, second]), method)
            title = f"{when}: proxy A-distance {shift.distance:.2f}"
            panels[title] = (places[: len(first)], places[len(first) :])
        return plot_domains(panels)

    def __str__(self) -> str:
        whens = list(self.distance)
        width = max(16, *(len(name) + 2 for name in self.class_names))
        header = "".join(f"{when:>10}" for when in whens)
        lines = [f"{'':<{width}}{header}", f"{'proxy A-distance':<{width}}{_row(self.distance.values())}"]
        if self.accuracy:
            found = [self.accuracy[when].metrics["accuracy"] for when in whens]
            lines += [f"{'accuracy':<{width}}{_row(found)}", "", f"{'recall of class':<{width}}{header}"]
            for name in self.class_names:
                recalls = [self.accuracy[when].per_class[name]["recall"] for when in whens]
                lines.append(f"{name:<{width}}{_row(recalls)}")
        lines += ["", f"{'share of class':<{width}}{'source':>10}{header}"]
        for name in self.class_names:
            shares = [self.source_shares[name], *(self.target_shares[when][name] for when in whens)]
            lines.append(f"{name:<{width}}{_row(shares)}")
        lines += [f"sign of negative transfer: {sign}" for sign in self.signs]
        return "\n".join(lines)


def adaptation_report(
    model: keras.Model, source: PipelineData, target: PipelineData, *, before: keras.Model | None = None, seed: int = 0
) -> AdaptationReport:
    """Measures the distance of the domains, the accuracy if the target has labels, and signs of harm.

    The distance is the proxy A-distance of `kt.data.compare`, computed from the inputs of the last layer with weights.
    A small distance alone is no success: it says that the domains look alike, not that the classes are separated. Warns
    of each sign of negative transfer: a class that is hardly predicted any more, or predicted shares of the classes
    that are far from those of the source.

    Args:
        model: the adapted model.
        source: images with labels.
        target: images of the other domain, with or without labels.
        before: the model before the adaptation, such as a `keras.models.clone_model(model)` with the earlier weights.
        seed: seed of the cross-validation that measures the distance.

    Raises:
        InputError: if the models, the source and the target do not fit, or a domain has fewer than 10 training images.
    """
    for each in (model, before or model):
        check_fit(each, source)
        check_target(each, target, [source])
    names = source.class_names
    models = {**({"before": before} if before is not None else {}), "after": model}
    source_shares = shares_of(source.splits["train"].labels, len(names))
    blind = blinded(target)
    split = "test" if "test" in target.splits else "validation" if "validation" in target.splits else "train"
    shifts, predicted, accuracy = {}, {}, {}
    for when, network in models.items():
        vectors = network_of(network)
        with quiet_tracing():
            first, second = (_outputs(vectors, data, "train").features for data in (source, blind))
            outputs = _outputs(vectors, target, split)
        shifts[when] = shift_of(first, second, seed)
        predicted[when] = outputs.probabilities.argmax(axis=1)
        if is_labelled(target) and outputs.labels is not None:
            accuracy[when] = report_on(outputs.probabilities, outputs.labels, names)
    signs = signs_of_negative_transfer(predicted["after"], source_shares, names, predicted.get("before"))
    for sign in signs:
        warnings.warn(f"Adaptation may have done harm (negative transfer): {sign}.", DataWarning, stacklevel=2)
    return AdaptationReport(
        names,
        {when: shift.distance for when, shift in shifts.items()},
        dict(zip(names, source_shares.tolist(), strict=True)),
        {
            when: dict(zip(names, shares_of(labels, len(names)).tolist(), strict=True))
            for when, labels in predicted.items()
        },
        accuracy,
        tuple(signs),
        shifts,
    )


def _outputs(network: keras.Model, data: LabelledData, split: str) -> Outputs:
    with data.naming_bad_files(split):
        return outputs_of(network, data.in_order(split))


def _row(values: Any) -> str:
    return "".join(f"{value:10.3f}" for value in values)


def _some(features: np.ndarray) -> np.ndarray:
    return features[np.linspace(0, len(features) - 1, min(len(features), _DRAWN)).round().astype(int)]


def _two_dimensions(points: np.ndarray, method: str) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if method == "pca":
        return PCA(2, random_state=0).fit_transform(points)
    return TSNE(2, init="pca", perplexity=min(30.0, (len(points) - 1) / 3), random_state=0).fit_transform(points)
