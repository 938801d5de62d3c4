"""What there is by name."""

from __future__ import annotations

from keras_transfer._arguments import Choice, takes
from keras_transfer.adaptation.alignment import ALIGNMENTS
from keras_transfer.adaptation.validators import VALIDATORS
from keras_transfer.data.augment.named import AUGMENTATIONS, MIXINGS
from keras_transfer.data.augment.sounds import SOUND_AUGMENTATIONS
from keras_transfer.data.augment.texts import TEXT_AUGMENTATIONS
from keras_transfer.data.pixels.resizing import RESIZES
from keras_transfer.data.pixels.views import VIEWS
from keras_transfer.engines import ENGINES
from keras_transfer.features.ranking import RANKINGS
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.heads import HEADS
from keras_transfer.models.pooling import POOLINGS
from keras_transfer.models.token_pooling import TOKEN_POOLINGS
from keras_transfer.models.tuning import TUNINGS
from keras_transfer.runtimes import FORMATS
from keras_transfer.schedules.named import SCHEDULES
from keras_transfer.schedules.rates import RATES
from keras_transfer.tasks import TASKS
from keras_transfer.training.balancing import BALANCES
from keras_transfer.training.penalties import PENALTIES
from keras_transfer.training.recipes import RECIPES

_REGISTRIES = {
    registry.kind: registry
    for registry in (
        BACKBONES,
        POOLINGS,
        TOKEN_POOLINGS,
        HEADS,
        TUNINGS,
        SCHEDULES,
        RATES,
        RECIPES,
        PENALTIES,
        BALANCES,
        AUGMENTATIONS,
        SOUND_AUGMENTATIONS,
        TEXT_AUGMENTATIONS,
        MIXINGS,
        RESIZES,
        VIEWS,
        FORMATS,
        ALIGNMENTS,
        VALIDATORS,
        RANKINGS,
        TASKS,
        ENGINES,
    )
}


@takes(kind=Choice(*_REGISTRIES) | None)
def available(kind: str | None = None) -> list[str]:
    """Lists the names of a kind of part, or the kinds.

    Args:
        kind: "backbone", "pooling", "token pooling", "head", "tuning", "schedule", "rate", "recipe", "penalty",
            "balance", "augmentation", "sound augmentation", "text augmentation", "mixing", "resize", "views", "format"
            (of other runtimes), "alignment", "validator", "ranking", "task" or "engine"; None for the list of these.

    Raises:
        InputError: if there is no such kind.

    Example:
        >>> available("rate")
        ['constant', 'one_cycle', 'slanted_triangular', 'warmup_cosine']
    """
    if kind is None:
        return list(_REGISTRIES)
    return _REGISTRIES[kind].names()
