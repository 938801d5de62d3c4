"""Rankings: scores of features that tell, without training, how well a network suits a task, one file each."""

from keras_transfer.features.ranking.evidence import RANKINGS, Evidence, Ranking
from keras_transfer.features.ranking.h_score import h_score
from keras_transfer.features.ranking.leep import leep
from keras_transfer.features.ranking.logme import logme
from keras_transfer.features.ranking.nleep import nleep
from keras_transfer.features.ranking.solved_head import solved_head
from keras_transfer.features.ranking.transrate import transrate

__all__ = ["RANKINGS", "Evidence", "Ranking", "h_score", "leep", "logme", "nleep", "solved_head", "transrate"]
