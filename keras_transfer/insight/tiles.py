"""predict_in_tiles: answers for every pixel of a picture that is larger than what a model takes."""

from __future__ import annotations

import keras
import numpy as np

from keras_transfer._arguments import VERBOSE, Kind, Whole, takes
from keras_transfer._checks import InputError
from keras_transfer.models.feature_maps import STRIDES
from keras_transfer.models.stages import MODEL, check_one_way

_COARSEST = STRIDES[-1]  # tiles begin at multiples of it, so that all maps of all tiles lie in one grid


@takes(
    model=MODEL,
    image=Kind(np.ndarray, "an array (height, width, channels)"),
    overlap=Whole(0),
    batch_size=Whole(1),
    verbose=VERBOSE,
)
def predict_in_tiles(
    model: keras.Model,
    image: np.ndarray,
    *,
    overlap: int = 64,
    batch_size: int = 4,
    verbose: str | int = 0,
) -> np.ndarray:
    """Returns the outputs of a model for every pixel of a picture of any size, tile by tile.

    Tiles have the size that the model takes, and begin at multiples of 32 pixels. Each pixel is answered by the tile
    in which it lies deepest. So an answer is that for the whole picture, but for rounding, wherever what the network
    sees of it lies within that tile: with a head that is linear in the maps, and an overlap of twice the reach of the
    network, everywhere but near the lower and right border, where the last tiles are filled up with black. Decoders
    that look far (deeplabv3plus, which averages over the whole picture) and deep networks (hundreds of pixels) see less
    in a tile than in the whole; there answers differ, and may jump from tile to tile. More overlap, or larger tiles,
    help.

    Args:
        model: with a head for every pixel.
        image: `(height, width, channels)` in [0, 255].
        overlap: pixels that neighbouring tiles have in common at least, 0 or more.
        batch_size: tiles that are answered together.
        verbose: as in Keras' `predict`.

    Returns:
        float32 `(height, width, num_classes)`.

    Raises:
        InputError: if the model has no answer for each pixel, the picture has another form, or tiles overlap so far
            that they do not move on.
    """
    check_one_way(model)
    _, *tile, channels = model.input_shape
    if len(model.output_shape) != 4:
        raise InputError(f"Expected a model with a head for every pixel. Received: outputs {model.output_shape}.")
    if image.ndim != 3 or image.shape[-1] != channels or 0 in image.shape:
        raise InputError(f"Expected a picture (height, width, {channels}). Received: shape {image.shape}.")
    starts, filled, owners = [], [], []
    for size, side in zip(image.shape[:2], tile, strict=True):
        step = (side - overlap) // _COARSEST * _COARSEST
        if step <= 0 and size > side:
            raise InputError(
                f"Expected an overlap of {side - _COARSEST} pixels or less, for tiles of {side}. Received: {overlap}."
            )
        count = 1 + max(0, -(-(size - side) // max(step, 1)))
        starts.append([number * step for number in range(count)])
        filled.append(starts[-1][-1] + side - size)
        middles = np.array(starts[-1]) + (side - 1) / 2
        owners.append(np.abs(np.arange(size)[:, np.newaxis] - middles).argmin(axis=1))
    padded = np.pad(image, ((0, max(filled[0], 0)), (0, max(filled[1], 0)), (0, 0)))
    found = np.empty((*image.shape[:2], model.output_shape[-1]), np.float32)
    places = [(row, column) for row in range(len(starts[0])) for column in range(len(starts[1]))]
    for first in range(0, len(places), batch_size):
        some = places[first : first + batch_size]
        corners = [(starts[0][row], starts[1][column]) for row, column in some]
        tiles = np.stack([padded[top : top + tile[0], left : left + tile[1]] for top, left in corners])
        outputs = model.predict(tiles.astype(np.float32), batch_size=batch_size, verbose=verbose)
        for (row, column), (top, left), answer in zip(some, corners, outputs, strict=True):
            rows, columns = (np.flatnonzero(own == place) for own, place in zip(owners, (row, column), strict=True))
            found[np.ix_(rows, columns)] = answer[np.ix_(rows - top, columns - left)]
    return found
