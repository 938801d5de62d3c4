"""The state of Keras' callbacks during a run, which they reset when training begins."""

from __future__ import annotations

from keras.callbacks import Callback, EarlyStopping, History, ModelCheckpoint, ReduceLROnPlateau, SwapEMAWeights

_MEMORY: dict[type[Callback], tuple[str, ...]] = {
    EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    ReduceLROnPlateau: ("wait", "cooldown_counter", "best"),
    ModelCheckpoint: ("best",),
    SwapEMAWeights: ("_ema_weights_in_model",),
    History: ("epoch", "history"),
}


def memory_of(callback: Callback) -> tuple[str, ...]:
    """Returns the names of the attributes to save, so that an interrupted run of a Keras callback can continue."""
    return next((names for kind, names in _MEMORY.items() if isinstance(callback, kind)), ())
