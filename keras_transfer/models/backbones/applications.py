"""The networks of `keras.applications`: one table of constructors, preprocessing, image sizes and stages."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_transfer.models.backbones.backbone import BACKBONES, Backbone
from keras_transfer.models.backbones.copying import copy_network


def _efficientnet(name: str, *, weights: str | None, input_shape: tuple[int, ...], **options: Any) -> keras.Model:
    """Builds an EfficientNet, with the right input scaling for ImageNet weights from a file.

    With weights="imagenet", Keras divides the normalised image again, by the square root of ImageNet's standard
    deviation (keras/src/applications/efficientnet.py); with a file it does not. Here this division is added for a file
    of ImageNet weights. They are recognised by their Normalization layer, which differs from its initial state; in a
    network that was trained from random weights it does not.
    """
    network = getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=input_shape, **options)
    (normalization,) = [layer for layer in network.layers if isinstance(layer, keras.layers.Normalization)]
    if weights in (None, "imagenet") or np.allclose(normalization.get_weights()[1], 1):
        return network

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        output = operation(*args, **kwargs)
        if operation.name == normalization.name:
            output = keras.layers.Rescaling([1 / deviation**0.5 for deviation in _IMAGENET_DEVIATION])(output)
        return output

    return copy_network(network, keras.Input(input_shape), call)


_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)  # standard deviation of red, green and blue in [0, 1]


def _numbered(name: str, end: str, numbers: range) -> tuple[tuple[str, str], ...]:
    """Returns stages with numbered names: each number replaces `@`. The last stage ends with the network."""
    rows = [(name.replace("@", str(number)), end.replace("@", str(number))) for number in numbers]
    return (*rows[:-1], (rows[-1][0], ""))


def _resolutions(*ends: str) -> tuple[tuple[str, str], ...]:
    """Returns stages named block1, block2 and so on, which end at the given layers; the last ends with the network."""
    return tuple((f"block{number}", end) for number, end in enumerate((*ends, ""), start=1))


_RESNET = (("conv1", "pool1_pool"), *_numbered("conv@", r"conv@_block\d+_out", range(2, 6)))
_DENSENET = (("conv1", "pool1"), *_numbered("conv@", "pool@_pool", range(2, 6)))
_EFFICIENTNET = (("stem", "stem_activation"), *_numbered("block@", r"block@[a-z]_.*", range(1, 8)))
_EFFICIENTNET6 = (("stem", "stem_activation"), *_numbered("block@", r"block@[a-z]_.*", range(1, 7)))
_CONVNEXT = (
    ("stem", "before _stage_0_block_0_depthwise_conv"),
    *((f"stage{stage}", f"before _downsampling_block_{stage}") for stage in range(3)),
    ("stage3", ""),
)
_INCEPTION_RESNET = (
    ("stem", "MaxPooling2D #2"),
    ("block35", "block35_10_ac"),
    ("block17", "block17_20_ac"),
    ("block8", ""),
)
_XCEPTION = (("entry", "before block5_sepconv1_act"), ("middle", "before block13_sepconv1_act"), ("exit", ""))


def _nasnet(cells: int) -> tuple[tuple[str, str], ...]:
    ends = [f"normal_concat_{cells - 1}", f"normal_concat_{2 * cells}"]
    return ("stem", "reduction_concat_stem_2"), ("cells1", ends[0]), ("cells2", ends[1]), ("cells3", "")


# Family (module of keras.applications), smallest image, its networks with their default image sizes, its stages.
_TABLE: tuple[tuple[str, int, dict[str, int], tuple[tuple[str, str], ...]], ...] = (
    (
        "convnext",
        32,
        dict.fromkeys(["ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"], 224),
        _CONVNEXT,
    ),
    ("densenet", 32, dict.fromkeys(["DenseNet121", "DenseNet169", "DenseNet201"], 224), _DENSENET),
    (
        "efficientnet",
        32,
        {f"EfficientNetB{n}": size for n, size in enumerate([224, 240, 260, 300, 380, 456, 528, 600])},
        _EFFICIENTNET,
    ),
    (
        "efficientnet_v2",
        32,
        {f"EfficientNetV2B{n}": size for n, size in enumerate([224, 240, 260, 300])},
        _EFFICIENTNET6,
    ),
    ("efficientnet_v2", 32, {"EfficientNetV2S": 384}, _EFFICIENTNET6),
    ("efficientnet_v2", 32, {"EfficientNetV2M": 480, "EfficientNetV2L": 480}, _EFFICIENTNET),
    ("inception_resnet_v2", 75, {"InceptionResNetV2": 299}, _INCEPTION_RESNET),
    (
        "inception_v3",
        75,
        {"InceptionV3": 299},
        (("stem", "MaxPooling2D #2"), ("mixed2", "mixed2"), ("mixed7", "mixed7"), ("mixed10", "")),
    ),
    (
        "mobilenet",
        32,
        {"MobileNet": 224},
        _resolutions("conv_pw_1_relu", "conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu"),
    ),
    (
        "mobilenet_v2",
        32,
        {"MobileNetV2": 224},
        _resolutions("expanded_conv_project_BN", "block_2_add", "block_5_add", "block_12_add"),
    ),
    (
        "mobilenet_v3",
        32,
        {"MobileNetV3Large": 224},
        _resolutions(
            "expanded_conv_(project_bn|add)", "expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_11_add"
        ),
    ),
    (
        "mobilenet_v3",
        32,
        {"MobileNetV3Small": 224},
        _resolutions("expanded_conv_project_bn", "expanded_conv_2_add", "expanded_conv_7_add"),
    ),
    ("nasnet", 32, {"NASNetMobile": 224}, _nasnet(4)),
    ("nasnet", 32, {"NASNetLarge": 331}, _nasnet(6)),
    ("resnet", 32, dict.fromkeys(["ResNet50", "ResNet101", "ResNet152"], 224), _RESNET),
    ("resnet_v2", 32, dict.fromkeys(["ResNet50V2", "ResNet101V2", "ResNet152V2"], 224), _RESNET),
    ("vgg16", 32, {"VGG16": 224}, _numbered("block@", "block@_pool", range(1, 6))),
    ("vgg19", 32, {"VGG19": 224}, _numbered("block@", "block@_pool", range(1, 6))),
    ("xception", 71, {"Xception": 299}, _XCEPTION),
)

for _family, _min_image_size, _networks, _stages in _TABLE:
    for _network, _image_size in _networks.items():
        BACKBONES.register(_network)(
            Backbone(
                network=partial(_efficientnet, _network)
                if _family == "efficientnet"
                else partial(getattr(keras.applications, _network), include_top=False),
                preprocess=getattr(keras.applications, _family).preprocess_input,
                image_size=_image_size,
                min_image_size=_min_image_size,
                stages=_stages,
            )
        )
