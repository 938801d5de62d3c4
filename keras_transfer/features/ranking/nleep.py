"""NLEEP: LEEP with the parts of a Gaussian mixture in place of the classes that a network was trained on."""

from __future__ import annotations

import warnings

import numpy as np

from keras_transfer.features.ranking.evidence import RANKINGS, Evidence
from keras_transfer.features.ranking.leep import expected_prediction

_ENERGY, _EACH = 0.8, 5  # of the variance that components keep; parts of the mixture for each class


@RANKINGS.register("nleep")
def nleep(evidence: Evidence) -> float:
    """Returns LEEP over the parts of a Gaussian mixture of the features, 0 or less; higher is better.

    The features are projected on the principal components that hold 80% of their variance. The mixture has five parts
    a class. Li, Jia, Sang, Zhu, Green, Wang and Gong, "Ranking Neural Checkpoints" (2021), section 3.2,
    https://arxiv.org/abs/2011.11200. Departures: the parts have diagonal covariances, and are a quarter of the images
    at most, since with few images others could not be told.

    Raises:
        InputError: if the images have several labels each, or values.
    """
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    classes = evidence.classes
    features = evidence.features.astype(np.float64)
    if not np.ptp(features, axis=0).any():
        return expected_prediction(np.ones((len(classes), 1)), classes)
    components = PCA(_ENERGY, svd_solver="full", random_state=evidence.seed).fit_transform(features)
    components /= components.std(axis=0)[0]
    parts = max(min(_EACH * (classes.max() + 1), len(classes) // 4), 1)
    mixture = GaussianMixture(parts, covariance_type="diag", reg_covar=1e-4, random_state=evidence.seed)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return expected_prediction(mixture.fit(components).predict_proba(components), classes)
