"""Backbones: networks of `keras.applications`, of TF-Hub and of users, each described by a `Backbone`.

It may import nothing else of `models`.
"""
