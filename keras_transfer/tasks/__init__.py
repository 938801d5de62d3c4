"""Tasks: what a model is trained for, one file each: its labels, loss, report, and what an export of it answers.

It may import `plots` and what is below; it knows arrays and names, but no model and no data set. Training, evaluation,
export, the other runtimes and adaptation ask the task and decide nothing themselves.
"""

from keras_transfer.tasks.classification import Classification
from keras_transfer.tasks.mask_report import MaskReport
from keras_transfer.tasks.regression import Regression
from keras_transfer.tasks.report import Report
from keras_transfer.tasks.segmentation import Segmentation
from keras_transfer.tasks.several_labels import UNKNOWN, SeveralLabels
from keras_transfer.tasks.spans import Span
from keras_transfer.tasks.tag_report import TagReport
from keras_transfer.tasks.tagging import Tagging
from keras_transfer.tasks.task import TASKS, Task, standardised, task_of_activation, task_of_labels, task_of_model
from keras_transfer.tasks.values_report import ValuesReport

__all__ = [
    "TASKS",
    "UNKNOWN",
    "Classification",
    "MaskReport",
    "Regression",
    "Report",
    "Segmentation",
    "SeveralLabels",
    "Span",
    "TagReport",
    "Tagging",
    "Task",
    "ValuesReport",
    "standardised",
    "task_of_activation",
    "task_of_labels",
    "task_of_model",
]
