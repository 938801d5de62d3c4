"""Selection: which network suits a task, by what its frozen features tell, and a search for the best model.

It may import `training`, `caching`, `features`, `models`, `data` and what is below them.
"""

from keras_transfer.selection.candidates import Candidate
from keras_transfer.selection.found import SearchResult, Trial
from keras_transfer.selection.ranked import BackboneRanking, RankedBackbone
from keras_transfer.selection.ranking import rank_backbones
from keras_transfer.selection.searching import search

__all__ = ["BackboneRanking", "Candidate", "RankedBackbone", "SearchResult", "Trial", "rank_backbones", "search"]
