"""H-score: how much of the variation of the features lies between the classes, with shrunk covariances."""

from __future__ import annotations

import numpy as np

from keras_transfer.features.ranking.evidence import RANKINGS, Evidence


@RANKINGS.register("h_score")
def h_score(evidence: Evidence) -> float:
    """Returns `tr(S_a^-1 (1 - a) S_z)`, where `S_a = (1 - a) S + a m I`; higher is better.

    S is the covariance of the features, m its mean variance, S_z the covariance of the features' class means, and `a`
    the shrinkage of Ledoit and Wolf. Bao and others, "An Information-Theoretic Approach to Transferability in Task
    Transfer Learning" (2019), definition 1, https://arxiv.org/abs/2212.10082; shrunk by Ibrahim, Ponomareva and
    Mazumder, "Newer is not always better: Rethinking transferability metrics" (2021), section 4,
    https://arxiv.org/abs/2110.06893.

    Raises:
        InputError: if the images have several labels each, or values.
    """
    from scipy.linalg import cho_factor, cho_solve
    from sklearn.covariance import ledoit_wolf

    classes = evidence.classes
    features = evidence.features.astype(np.float64)
    features -= features.mean(axis=0)
    shrunk, share = ledoit_wolf(features, assume_centered=True)
    counts = np.bincount(classes)
    means = np.stack([features[classes == number].mean(axis=0) for number in range(len(counts))])
    if not shrunk.any():
        return 0.0
    within = cho_solve(cho_factor(shrunk), means.T)
    return float((1 - share) * (counts / len(classes)) @ np.einsum("cd,dc->c", means, within))
