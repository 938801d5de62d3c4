"""TF-Hub models as layers and backbones: the name under which saved models look for their `HubLayer`."""

from keras_transfer.models.backbones.hub import HubLayer, hub_backbone

__all__ = ["HubLayer", "hub_backbone"]
