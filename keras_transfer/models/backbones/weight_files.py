"""Files of weights that earlier versions of Keras wrote, with more in them than a backbone."""

from __future__ import annotations

import os

import h5py
import keras


def load_by_names(network: keras.Model, file: str | os.PathLike[str]) -> bool:
    """Loads the weights of a network from an HDF5 file that has its layers, by their names, and others beside them.

    Such a file is that of the whole network with its classifier, which Keras 2 wrote by `save` or `save_weights`.

    Returns:
        Whether the file has all layers with weights, in their shapes; if not, the network is of no use.
    """
    if not os.fspath(file).endswith((".h5", ".hdf5")) or not h5py.is_hdf5(file):
        return False
    with h5py.File(file) as opened:
        group = opened.get("model_weights", opened)
        names = {str(name) for name in group.attrs.get("layer_names", ())}
    wanted = [layer.name for layer in network.layers if layer.weights]
    if not wanted or not set(wanted) <= names:
        return False
    try:
        network.load_weights(file, by_name=True)
    except ValueError:  # weights of other shapes
        return False
    return True
