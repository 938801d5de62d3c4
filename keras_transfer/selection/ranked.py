"""What a ranking of networks found, as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import keras

from keras_transfer._arguments import Choice
from keras_transfer.data import ImageData
from keras_transfer.plots.points import plot_costs
from keras_transfer.selection.candidates import Candidate
from keras_transfer.selection.promise import Promise

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RankedBackbone:
    """What was found out about a network.

    Attributes:
        name: of the candidate.
        scores: by the name of a ranking; higher is better, and None where the network has no such score. Scores of
            different rankings cannot be compared.
        expected: the accuracy in [0, 1] of a head that is solved on the frozen features, or its R2 for values, in a
            cross-validation over the images; None where there are too few.
        milliseconds: median time of one image on this machine, by TensorFlow.
        megabytes: size of the weights in float32, 1e6 bytes each.
        seconds: that the ranking of this network took.
    """

    name: str
    scores: Mapping[str, float | None]
    expected: float | None
    milliseconds: float
    megabytes: float
    seconds: float


@dataclass(frozen=True, eq=False)
class BackboneRanking:
    """The result of `rank_backbones`. `print(ranking)` shows it as a table, the best network first.

    Attributes:
        by: name of the ranking that orders the networks.
        rows: of the networks, the best first.
        left_out: why a candidate is not among them, by its name.
        measure: what `expected` is: "accuracy" or "R2".
        images: number of images that were looked at.
        promise: what the features of a pretrained network are worth for this task; None if it was not asked for.
        candidates: all of them, by their names.
        data: the images.
    """

    by: str
    rows: tuple[RankedBackbone, ...]
    left_out: Mapping[str, str]
    measure: str
    images: int
    promise: Promise | None
    candidates: Mapping[str, Candidate]
    data: ImageData

    @property
    def best(self) -> str:
        """Name of the network that is ranked first."""
        return self.rows[0].name

    @property
    def seconds(self) -> float:
        """That the ranking took, in all."""
        return sum(row.seconds for row in self.rows) + (self.promise.seconds if self.promise else 0.0)

    def build(self, name: str | None = None, **options: Any) -> keras.Model:
        """Builds a model of the network that is ranked first, or of another one.

        Args:
            name: of a candidate.
            **options: further arguments of `build_model`, such as `head`.

        Raises:
            InputError: if there is no such candidate.
        """
        name = Choice(*self.candidates)("name", self.best if name is None else name)
        return self.candidates[name].build(self.data, **options)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything except the candidates and the images as values for JSON."""
        return {
            "by": self.by,
            "best": self.best,
            "measure": self.measure,
            "images": self.images,
            "rows": [asdict(row) for row in self.rows],
            "left_out": dict(self.left_out),
            "promise": asdict(self.promise) if self.promise else None,
            "seconds": self.seconds,
        }

    def plot(self) -> Figure:
        """Draws what is expected of each network over the time that it takes for an image, larger ones as larger dots.

        Where nothing could be expected, the score that orders the networks takes its place.
        """
        known = all(row.expected is not None for row in self.rows)
        heights = {row.name: row.expected if known else row.scores[self.by] for row in self.rows}
        return plot_costs(
            {row.name: (row.milliseconds, float(heights[row.name] or 0.0), row.megabytes) for row in self.rows},
            f"{self.measure} expected" if known else self.by,
        )

    def __str__(self) -> str:
        width = max(len("network"), *map(len, self.candidates))
        names = list(self.rows[0].scores)
        columns = ["expected", "ms/image", "MB", *names]
        lines = [f"{'network':<{width}}" + "".join(f"{name:>13}" for name in columns)]
        for row in self.rows:
            cells = [_cell(row.expected, 3), f"{row.milliseconds:.1f}", f"{row.megabytes:.1f}"]
            cells += [_cell(row.scores[name], 4) for name in names]
            lines.append(f"{row.name:<{width}}" + "".join(f"{cell:>13}" for cell in cells))
        lines += [f"{name:<{width}}  left out: {reason}" for name, reason in self.left_out.items()]
        told = f"by {self.by}; expected: {self.measure} of a solved head, {self.images} images"
        lines += ["", f"{told}; {self.seconds:.0f} s"]
        return "\n".join([*lines, *([str(self.promise)] if self.promise else [])])


def _cell(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
