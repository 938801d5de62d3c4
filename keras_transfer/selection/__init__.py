"""Selection: which network suits a task, by what its frozen features tell.

It may import `training`, `caching`, `features`, `models`, `data` and what is below them.
"""

from keras_transfer.selection.candidates import Candidate
from keras_transfer.selection.ranked import BackboneRanking, RankedBackbone
from keras_transfer.selection.ranking import rank_backbones

__all__ = ["BackboneRanking", "Candidate", "RankedBackbone", "rank_backbones"]
