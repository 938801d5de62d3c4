"""Proposing: Optuna, which proposes what to try and says what to stop early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_transfer._checks import InputError

_JOURNAL = "journal.log"


def optuna_of() -> Any:
    """Returns the module.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError("Expected Optuna, for a search: pip install 'keras-transfer[search]'.") from error
    return optuna


def study_in(folder: Path | None, seed: int) -> Any:
    """Returns the study: in a journal in the folder, or in memory."""
    optuna = optuna_of()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    if folder is not None:
        backend = optuna.storages.journal.JournalFileBackend(str(folder / _JOURNAL))
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.create_study(
        study_name="search",
        storage=storage,
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=6),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # of a process that was killed
    return study
