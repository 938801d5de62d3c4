"""Solved heads: the linear outputs with the smallest loss on rows of features, found by a convex solver."""

from keras_transfer.features.solving.objectives import OBJECTIVES, Objective
from keras_transfer.features.solving.rows import Rows
from keras_transfer.features.solving.solved import Solution, solve
from keras_transfer.features.solving.strengths import Candidate

__all__ = ["OBJECTIVES", "Candidate", "Objective", "Rows", "Solution", "solve"]
