"""Plots: sample images, learning curves, schedules and confusion matrices, as matplotlib figures without pyplot.

It may import `schedules` and what is below it. Its functions take arrays and names, not models or data sets.
"""

from keras_transfer.plots.curves import plot_history, plot_path, plot_progress, plot_rates, plot_reliability
from keras_transfer.plots.figure import Figure
from keras_transfer.plots.images import plot_images
from keras_transfer.plots.matrices import plot_confusion
from keras_transfer.plots.points import plot_costs, plot_domains, plot_two_sets
from keras_transfer.plots.schedule import plot_schedule

__all__ = [
    "Figure",
    "plot_confusion",
    "plot_costs",
    "plot_domains",
    "plot_history",
    "plot_images",
    "plot_path",
    "plot_progress",
    "plot_rates",
    "plot_reliability",
    "plot_schedule",
    "plot_two_sets",
]
