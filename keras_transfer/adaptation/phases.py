"""The phases of an adaptation: which parts of the model are open, and whether they have anything to learn."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment import Alignment, MixStyle
from keras_transfer.adaptation.domains import Domains
from keras_transfer.adaptation.styles import check_mixable
from keras_transfer.models.stages import stages
from keras_transfer.schedules.named import Schedule
from keras_transfer.schedules.parts import HEAD, open_parts
from keras_transfer.schedules.phases import Phase
from keras_transfer.training.options import EPOCHS, phases_of


def phases_of_domains(
    model: keras.Model,
    domains: Domains,
    schedule: str | Schedule | Sequence[Phase] | None,
    epochs: int | None,
    learning_rate: float | None,
) -> tuple[Phase, ...]:
    """Returns the phases: by default those of `fine_tune`, or without a source one that opens the last stage alone."""
    names = stages(model)
    if schedule is None and not domains.sources:
        rate = 1e-4 if learning_rate is None else learning_rate
        schedule = (Phase(EPOCHS if epochs is None else epochs, (names[-1],), rate),)
        epochs = learning_rate = None
    return phases_of(schedule, epochs, learning_rate, names)


def check_phases(model: keras.Model, phases: Sequence[Phase], method: Alignment, domains: Domains) -> None:
    """Raises InputError for phases in which there is nothing to learn, or no styles to mix."""
    if any(phase.solves for phase in phases):
        raise InputError(
            "Expected phases that are trained: `adapt` trains on two sets at once, and a head is solved on one. Call "
            "fine_tune(model, source, schedule='solve') first."
        )
    head_alone = [phase for phase in phases if open_parts(stages(model), phase.unfrozen) == (HEAD,)]
    if head_alone and not domains.sources:
        raise InputError(
            "Expected phases that open a stage if there is no source: without labels the head alone cannot learn. "
            f"Received: {head_alone[0]}."
        )
    if isinstance(method, MixStyle):
        check_mixable(model)
        if len(head_alone) == len(phases):
            raise InputError(
                "Expected a phase that opens a stage, for 'mixstyle', which mixes the styles of feature maps. "
                f"Received: {head_alone}."
            )
