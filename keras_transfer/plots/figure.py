"""A matplotlib figure that Jupyter displays without pyplot."""

from __future__ import annotations

from io import BytesIO

from matplotlib import figure as matplotlib_figure


class Figure(matplotlib_figure.Figure):
    """A matplotlib figure that Jupyter displays without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()
