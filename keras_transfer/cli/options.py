"""Options that several commands share."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

Network = Annotated[str, typer.Option(help="Name of a network (see `backbones`), or a SavedModel folder.")]
Weights = Annotated[str, typer.Option(help="Initial weights: 'imagenet', 'none' for random ones, or a file.")]
NetworkOptions = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Argument of the network, such as alpha=0.75. Repeat for several."),
]


def _size(written: str) -> int | tuple[int, int]:
    """Reads one number for both sides, or the height and the width, such as 224x288."""
    if re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", written) is None:
        raise typer.BadParameter(f"Expected pixels, such as 224 or 224x288 (height x width). Received: {written!r}.")
    sides = [int(side) for side in written.split("x")]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


ImageSize = Annotated[
    Any,
    typer.Option(
        parser=_size,
        metavar="PIXELS",
        help="Height and width, such as 224 or 224x288; by default the network's default size.",
    ),
]
Ignore = Annotated[
    list[int] | None, typer.Option(help="Value of masks that is no class, such as 255. Repeat for several.")
]
Resize = Annotated[str, typer.Option(help="How images are resized: crop, pad or stretch.")]
HeadName = Annotated[
    str, typer.Option(help="Layers after the pooling: linear, multilayer, mlp or cosine; for masks fpn, unet, ...")
]
ScheduleName = Annotated[str, typer.Option(help="When stages are unfrozen: feature_extraction, gradual, ...")]
Epochs = Annotated[int, typer.Option(help="Number of epochs of all phases together.")]
LearningRate = Annotated[float, typer.Option(help="Learning rate of the first phase.")]
RateName = Annotated[
    str, typer.Option(help="Change of the learning rate in a phase: constant, one_cycle or warmup_cosine.")
]
CachePlace = Annotated[
    str, typer.Option(help="Where to cache activations of the frozen part: auto, memory, disk or off.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the split, the order, the augmentation and new weights.")]
