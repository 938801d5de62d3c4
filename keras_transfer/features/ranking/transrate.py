"""TransRate: how many bits the features take, and how many fewer once the class is known."""

from __future__ import annotations

import numpy as np

from keras_transfer.features.ranking.evidence import RANKINGS, Evidence

_DISTORTION = 1e-4


@RANKINGS.register("transrate")
def transrate(evidence: Evidence) -> float:
    """Returns `R(Z) - sum_c n_c / n R(Z_c)`, where `R(Z) = log det(I + Z'Z / (n e)) / 2`; higher is better.

    Z are the features `(n, features)` less their mean, Z_c those of the images of class c, and e = 1e-4. Huang, Huang,
    Rong, Yang and Wei, "Frustratingly Easy Transferability Estimation" (2022), equations 4 and 5,
    https://arxiv.org/abs/2106.09362. Departure: features are first divided by one number so that their squared norm
    is 1 on average, since the rate depends on the scale, which differs between networks.

    Raises:
        InputError: if the images have several labels each, or values.
    """
    classes = evidence.classes
    features = evidence.features.astype(np.float64)
    features -= features.mean(axis=0)
    features /= max(np.sqrt((features**2).sum(axis=1).mean()), 1e-12)
    parts = [features[classes == number] for number in np.unique(classes)]
    return _rate(features) - sum(len(part) / len(features) * _rate(part) for part in parts)


def _rate(features: np.ndarray) -> float:
    """Returns the rate of features; by the products of rows or of columns, whichever are fewer: both give the same."""
    count, width = features.shape
    products = features @ features.T if count < width else features.T @ features
    products /= count * _DISTORTION
    products[np.diag_indices_from(products)] += 1
    return float(np.linalg.slogdet(products)[1]) / 2
