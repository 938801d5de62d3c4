"""Options that several commands have, said alike."""

from __future__ import annotations

from typing import Annotated

import typer

Network = Annotated[str, typer.Option(help="Name of a network (see `backbones`), or a SavedModel folder.")]
Weights = Annotated[str, typer.Option(help="'imagenet', 'none' or a file of weights.")]
NetworkOptions = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Argument of the network, such as alpha=0.75. Repeat.")
]
ImageSize = Annotated[int | None, typer.Option(min=1, help="Pixels; the network's own size by default.")]
Resize = Annotated[str, typer.Option(help="crop, pad or stretch.")]
HeadName = Annotated[str, typer.Option(help="linear, mlp or cosine.")]
ScheduleName = Annotated[str, typer.Option(help="When stages open: feature_extraction, gradual, ...")]
Epochs = Annotated[int, typer.Option(help="Epochs of all phases together.")]
LearningRate = Annotated[float, typer.Option(help="Rate of the first phase.")]
RateName = Annotated[str, typer.Option(help="Within a phase: constant, one_cycle or warmup_cosine.")]
CachePlace = Annotated[
    str, typer.Option(help="Where activations of the frozen part are kept: auto, memory, disk or off.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of split, order, augmentation and new weights.")]
