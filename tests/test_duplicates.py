"""Near-duplicates: found after resizing and compression, and not where pictures differ."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from drawing import scene
from PIL import Image

from keras_transfer.data.splitting.duplicates import NEAR, grey_copy, joined, near_pairs, perceptual_hash


def bits(picture: Image.Image) -> np.ndarray | None:
    return perceptual_hash(grey_copy(tf.constant(np.asarray(picture.convert("RGB")))).numpy())


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_is_near_and_another_picture_is_not(seed):
    picture = scene(seed)
    small = picture.resize((picture.width * 9 // 10, picture.height * 9 // 10))
    stored = io.BytesIO()
    small.save(stored, "JPEG", quality=60)
    first, copy, other = bits(picture), bits(Image.open(stored)), bits(scene(seed + 100))
    assert (first != copy).sum() <= NEAR < 60 < (first != other).sum()


def test_pairs_are_those_that_differ_in_few_bits():
    rng = np.random.default_rng(0)
    hashes = [rng.random(256) < 0.5 for _ in range(40)]
    hashes[7] = hashes[3].copy()
    hashes[7][:NEAR] ^= True
    hashes[9] = hashes[3].copy()
    hashes[9][: NEAR + 1] ^= True
    hashes[11] = None
    expected = [
        (i, j)
        for i in range(40)
        for j in range(i + 1, 40)
        if hashes[i] is not None and hashes[j] is not None and (hashes[i] != hashes[j]).sum() <= NEAR
    ]
    assert sorted(near_pairs(hashes)) == expected and (3, 7) in expected and (3, 9) not in expected


def test_a_picture_of_one_colour_is_like_no_other():
    assert bits(Image.new("RGB", (40, 40), (10, 20, 30))) is None
    assert list(near_pairs([None, None])) == []


def test_items_that_pairs_connect_have_one_number():
    groups = joined([(0, 2), (2, 4)], 5)
    assert groups[0] == groups[2] == groups[4] and len({*groups}) == 3


def test_many_copies_of_one_picture_make_few_pairs_and_one_group():
    rng = np.random.default_rng(0)
    copies, other = rng.random(256) < 0.5, rng.random(256) < 0.5
    near = copies.copy()
    near[:NEAR] ^= True
    hashes = [copies, other, *[copies] * 5_000, near, *[near] * 100]
    pairs = list(near_pairs(hashes))
    assert len(pairs) == 5_000 + 100 + 1 and all(first < second for first, second in pairs)
    groups = joined(pairs, len(hashes))
    assert len(set(groups)) == 2 and (groups == groups[0]).sum() == len(hashes) - 1
