"""The frozen recipe in PyTorch as a skilful user writes it: features once, then twenty epochs of a linear head on them.

`python benchmarks/frozen_torch.py FOLDER NETWORK` prints the seconds. It needs torch, torchvision and timm, not
Keras: `solved_head.py` runs it by the Python that the variable `TORCH_PYTHON` names.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import timm
import torch
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

SIZE, EPOCHS, BATCH = 160, 20, 32
NETWORKS = {
    "MobileNetV2": "mobilenetv2_100",
    "EfficientNetB0": "efficientnet_b0",
    "ResNet50": "resnet50",
    "VGG16": "vgg16",
}


def features(model: torch.nn.Module, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Runs the pictures of a folder through a network once."""
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    read = [transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor()]
    pictures = datasets.ImageFolder(folder, transforms.Compose([*read, transforms.Normalize(mean, deviation)]))
    found, labels = [], []
    with torch.inference_mode():
        for images, given in DataLoader(pictures, BATCH, num_workers=2):
            found.append(model(images.to(memory_format=torch.channels_last)))
            labels.append(given)
    return torch.cat(found).clone(), torch.cat(labels)


def fit(inputs: torch.Tensor, labels: torch.Tensor, held_out: torch.Tensor, expected: torch.Tensor) -> float:
    """Trains a linear head and returns its accuracy on the features held out."""
    head = torch.nn.Linear(inputs.shape[1], 2)
    optimizer = torch.optim.Adam(head.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(inputs)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(inputs[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            accuracy = (head(held_out).argmax(1) == expected).float().mean()
    return float(accuracy)


def main() -> None:
    """Prints the seconds from the files to a head with validation accuracy."""
    folder = Path(sys.argv[1])
    model = timm.create_model(NETWORKS[sys.argv[2]], pretrained=False, num_classes=0).eval()
    if sys.argv[2] == "VGG16":  # in timm it ends in dense layers; here, as in Keras, in its last feature map
        model = torch.nn.Sequential(model.features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model = model.to(memory_format=torch.channels_last)
    begun = time.perf_counter()
    fit(*features(model, folder / "train"), *features(model, folder / "val"))
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
