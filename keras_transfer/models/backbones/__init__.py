"""Backbones: the networks of `keras.applications`, of TF-Hub and of the user, each as a `Backbone`.

It may import nothing else of `models`.
"""
