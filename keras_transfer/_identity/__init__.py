"""Identity: what a part is, the same in every process, and another as soon as its code or one of its values changes.

By it a run knows whether it is itself again, and the cache whether activations are still those of the images.
"""

from keras_transfer._identity.parts import digest, form_of, identity_of

__all__ = ["digest", "form_of", "identity_of"]
