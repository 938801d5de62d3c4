"""Texts that are almost the same, which must not stand on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from keras_transfer.data.splitting.duplicates import joined

DUPLICATES = "duplicates"  # what `groups` is where near copies belong together
_NEAR = 0.1  # cosine distance of near copies
_LETTERS = 4  # of the pieces that are compared


def near_texts(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Returns pairs of indices of texts that are almost the same, by their pieces of four letters.

    Copies of one text are each paired with the first alone.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.neighbors import NearestNeighbors

    plain = [" ".join(text.lower().split()) for text in texts]
    first = {text: index for index, text in reversed(list(enumerate(plain)))}
    pairs = [(first[text], index) for index, text in enumerate(plain) if first[text] != index]
    different = sorted(first.values())
    if len(different) > 1:
        vectors = HashingVectorizer(analyzer="char_wb", ngram_range=(_LETTERS, _LETTERS), n_features=2**18)
        rows = vectors.transform([plain[index] for index in different])
        near = NearestNeighbors(radius=_NEAR, metric="cosine").fit(rows).radius_neighbors(rows, return_distance=False)
        later = [(place, int(other)) for place, found in enumerate(near) for other in found if other > place]
        pairs += [(different[place], different[other]) for place, other in later]
    return pairs


def near_text_groups(contents: Iterable[bytes]) -> np.ndarray:
    """Returns a number for each text in UTF-8, equal for near copies: int64 `(count,)`.

    Example:
        >>> near_text_groups([b"The film was good.", b"Nobody came.", b"the  film was good."]).tolist()
        [0, 1, 0]
    """
    texts = [content.decode("utf-8", "replace") for content in contents]
    return joined(near_texts(texts), len(texts))
