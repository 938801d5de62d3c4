"""Full: the whole network is trained."""

from __future__ import annotations

from keras_transfer.models.tuning.tuning import TUNINGS, Tuning


@TUNINGS.register("full")
class Full(Tuning):
    """All weights of the stages that are opened are trained, as without a tuning."""

    name = "full"
