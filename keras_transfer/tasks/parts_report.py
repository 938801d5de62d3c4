"""PartsReport: what reports on the parts of examples share, such as on words or pixels."""

from __future__ import annotations

from dataclasses import dataclass

from keras_transfer.tasks.report import Report


@dataclass(frozen=True, eq=False)
class PartsReport(Report):
    """A report in which an answer is of a part of an example; a subclass knows the number of examples."""

    @property
    def answers(self) -> int:
        """Number of parts with a label."""
        return int(self.confusion.sum())

    @property
    def shares(self) -> dict[str, float]:
        """The metrics that are shares of the examples: none, since parts of one example are not independent."""
        return {}
