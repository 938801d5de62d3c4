"""ValuesReport: how good a model is at estimating values, as numbers, as a table and as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_transfer.plots.points import plot_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = ("mae", "rmse", "r2")


@dataclass(frozen=True, eq=False)
class ValuesReport:
    """The result of `evaluate` for regression. `print(report)` shows it as a table.

    Attributes:
        metrics: value by name: loss (mean squared error), mae (mean absolute error), rmse (root of the mean squared
            error) and r2 (share of the variance that is explained, the mean over the values).
        class_names: name of each value, with its unit in brackets if it has one.
        per_class: mae, rmse and r2 of each value, by its name, and the number of images as "support".
        values: float64 `(count, num_values)`, the true ones.
        estimates: float64 `(count, num_values)`, the outputs of the model.
    """

    metrics: dict[str, float]
    class_names: tuple[str, ...]
    per_class: dict[str, dict[str, float]]
    values: np.ndarray
    estimates: np.ndarray

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.values)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images, as the data counts them."""
        return {"all": self.images}

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON; not-a-number becomes None."""
        known = {name: None if math.isnan(value) else value for name, value in self.metrics.items()}
        rows = {
            name: {key: None if math.isnan(value) else value for key, value in row.items()}
            for name, row in self.per_class.items()
        }
        return {
            "metrics": known,
            "class_names": list(self.class_names),
            "per_class": rows,
            "values": self.values.tolist(),
            "estimates": self.estimates.tolist(),
        }

    def plot(self) -> Figure:
        """Draws the estimates over the true values, a panel for each value."""
        return plot_values(self.values, self.estimates, self.class_names)

    def __str__(self) -> str:
        width = max([9, *(len(name) for name in self.class_names)])
        lines = [f"{name:<{width + 2}}{value:11.4g}" for name, value in self.metrics.items()]
        lines += ["", f"{'value':<{width + 2}}" + "".join(f"{name:>11}" for name in _COLUMNS)]
        for name, row in self.per_class.items():
            lines.append(f"{name:<{width + 2}}" + "".join(f"{row[key]:11.4g}" for key in _COLUMNS))
        return "\n".join(lines)


def values_report(values: np.ndarray, estimates: np.ndarray, class_names: tuple[str, ...]) -> ValuesReport:
    """Compares estimates with values, both `(count, num_values)`."""
    from sklearn.metrics import r2_score

    values, estimates = values.astype(np.float64), estimates.astype(np.float64)
    error = estimates - values
    mae, mse = np.abs(error).mean(axis=0), (error**2).mean(axis=0)
    # with one image there is no variance to explain
    r2 = r2_score(values, estimates, multioutput="raw_values") if len(values) > 1 else np.full(len(mae), np.nan)
    metrics = {
        "loss": float(mse.mean()),
        "mae": float(mae.mean()),
        "rmse": float(np.sqrt(mse.mean())),
        "r2": float(np.mean(r2)),
    }
    rows = zip(mae, np.sqrt(mse), r2, strict=True)
    per_value = {
        name: {**dict(zip(_COLUMNS, map(float, row), strict=True)), "support": len(values)}
        for name, row in zip(class_names, rows, strict=True)
    }
    return ValuesReport(metrics, tuple(class_names), per_value, values, estimates)
