"""Pictures drawn by formula: the classes the shipped weights learnt, and the leaves they have never seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Grid = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Outline:
    """A closed outline: its radius as a function of the angle."""

    harmonics: np.ndarray  # (3, 2) amplitudes of cos and sin
    lobes: int  # waves around the outline
    depth: float  # height of these waves, as a share of the radius
    pointed: bool  # triangles instead of waves
    stretch: float  # length over width


@dataclass(frozen=True)
class Pattern:
    """A surface pattern of one of six families."""

    family: int
    frequencies: np.ndarray  # (3, 2) wave vectors, in waves across the picture
    phases: np.ndarray  # (3,) in radians
    sharpness: float  # how hard the edges are


def formula_classes(outlines: int = 16, patterns: int = 16, seed: int = 0) -> list[tuple[Outline, Pattern]]:
    """Draws the parameters of `outlines * patterns` classes; the same seed gives the same classes.

    Formula-driven supervision after Kataoka et al., "Pre-training without Natural Images" (2020),
    https://arxiv.org/abs/2101.08515: a label is the set of parameters of a formula, so labelled pictures
    cost nothing. Departure from the paper: each outline is crossed with each pattern instead of drawing
    fractals, so that a small network in half an hour must learn both shape and texture.
    """
    rng = np.random.default_rng(seed)
    all_outlines = [
        Outline(
            harmonics=rng.normal(size=(3, 2)) * 0.15 / np.arange(1, 4)[:, None],
            lobes=index % 8 * 2 + int(rng.integers(1, 3)),
            depth=rng.uniform(0.05, 0.35),
            pointed=bool(rng.integers(2)),
            stretch=rng.uniform(1, 2.8),
        )
        for index in range(outlines)
    ]
    all_patterns = []
    for index in range(patterns):
        angles, lengths = rng.uniform(0, np.pi, 3), rng.uniform(2.5, 10, 3)
        frequencies = np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
        all_patterns.append(Pattern(index % 6, frequencies, rng.uniform(0, 2 * np.pi, 3), rng.uniform(1, 6)))
    return [(outline, pattern) for outline in all_outlines for pattern in all_patterns]


def draw_formula(outline: Outline, pattern: Pattern, rng: np.random.Generator, image_size: int = 96) -> np.ndarray:
    """Draws one picture of a class in a random pose, light, colour and setting.

    Returns:
        uint8 `(image_size, image_size, 3)` in [0, 255].
    """
    x, y = _pose(_grid(image_size), rng, spread=0.25, scale=(0.55, 1.0))
    across, along = x * outline.stretch**0.5, y / outline.stretch**0.5
    inside = _soft(_radius(outline, np.arctan2(across, along)) - np.hypot(across, along), image_size)
    surface = _mix(*_two_colours(rng, rng.uniform()), _soft_step(_field(pattern, x, y), pattern.sharpness))
    return _photograph(_clutter(rng, image_size), surface, inside, rng)


@dataclass(frozen=True)
class Leaf:
    """One species of leaf: outline and veins, as a botanist would describe them."""

    name: str
    length: float  # half the length over half the width
    lobes: int  # lobes around the outline, 0 for none
    depth: float  # depth of the lobes, as a share of the radius
    teeth: int  # teeth around the outline
    tooth: float  # height of a tooth, as a share of the radius
    tip: float  # pointedness of both ends, 0 round to 1 pointed
    veins: float  # side veins across the leaf
    slant: float  # how far side veins run towards the tip


LEAVES = (
    Leaf("beech", length=1.6, lobes=0, depth=0.0, teeth=0, tooth=0.0, tip=0.4, veins=8, slant=0.9),
    Leaf("birch", length=1.25, lobes=0, depth=0.0, teeth=26, tooth=0.09, tip=0.8, veins=6, slant=0.8),
    Leaf("clover", length=1.0, lobes=3, depth=0.42, teeth=0, tooth=0.0, tip=0.0, veins=0, slant=0.0),
    Leaf("holly", length=1.5, lobes=0, depth=0.0, teeth=10, tooth=0.20, tip=0.3, veins=3, slant=0.4),
    Leaf("maple", length=1.0, lobes=5, depth=0.36, teeth=15, tooth=0.10, tip=0.0, veins=3, slant=1.4),
    Leaf("oak", length=1.7, lobes=9, depth=0.17, teeth=0, tooth=0.0, tip=0.1, veins=5, slant=0.7),
    Leaf("plantain", length=1.7, lobes=0, depth=0.0, teeth=0, tooth=0.0, tip=0.4, veins=9, slant=9.0),
    Leaf("willow", length=3.6, lobes=0, depth=0.0, teeth=0, tooth=0.0, tip=0.9, veins=12, slant=1.0),
)


def draw_leaf(leaf: Leaf, rng: np.random.Generator, image_size: int = 96) -> np.ndarray:
    """Draws one leaf, a little turned, in any season's colour, on paper or stone.

    Returns:
        uint8 `(image_size, image_size, 3)` in [0, 255].
    """
    x, y = _pose(_grid(image_size), rng, spread=0.1, scale=(0.8, 1.05), turn=(-0.6, 0.6))
    x = x + rng.normal() * 0.15 * y**2  # a leaf bends
    across, along = x * min(leaf.length, 2.2) ** 0.5, y / leaf.length**0.5 * 1.1
    across = across * leaf.length / (min(leaf.length, 2.2) ** 0.5 * leaf.length**0.5)
    angle = np.arctan2(across, along)
    radius = 1 - leaf.tip * 0.45 * np.abs(np.sin(angle)) ** 0.7
    radius = radius * (1 + leaf.depth * np.cos(leaf.lobes * angle)) / (1 + leaf.depth)
    radius = radius + leaf.tooth * (2 * np.abs((leaf.teeth * angle / (2 * np.pi)) % 1 - 0.5) - 0.5)
    inside = _soft(0.9 * radius - np.hypot(across, along), image_size)

    phase = leaf.veins * (np.abs(x) * 4.5 if leaf.slant > 5 else (y - leaf.slant * np.abs(x)) * 2.2)
    side_veins = np.exp(-(np.sin(phase) ** 2) * 9) * (leaf.veins > 0)
    middle_vein = np.exp(-((x / 0.045) ** 2))
    veins = np.maximum(middle_vein, 0.7 * side_veins)
    hue = rng.choice([rng.uniform(0.20, 0.36), rng.uniform(0.03, 0.14)], p=[0.7, 0.3])  # summer or autumn
    dark, bright = _colour(hue, rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.6)), _colour(hue, 0.35, 0.8)
    blotches = 0.25 * _noise(rng, image_size, rng.uniform(2, 5))
    surface = _mix(dark, bright, np.clip(0.8 * veins * rng.choice([1, 1, -0.6]) + 0.3 + blotches, 0, 1))
    return _photograph(_ground(rng, image_size), surface, inside, rng)


def _grid(image_size: int) -> Grid:
    axis = (np.arange(image_size) + 0.5) / image_size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def _pose(
    grid: Grid,
    rng: np.random.Generator,
    spread: float,
    scale: tuple[float, float],
    turn: tuple[float, float] = (0, 2 * np.pi),
) -> Grid:
    """Moves, turns (radians), scales and squeezes the coordinates of a picture."""
    x, y = grid
    x, y = x - rng.uniform(-spread, spread), y - rng.uniform(-spread, spread)
    angle, size, squeeze = rng.uniform(*turn), rng.uniform(*scale), rng.uniform(0.85, 1.18)
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    return (cos * x + sin * y) * squeeze, (-sin * x + cos * y) / squeeze


def _radius(outline: Outline, angle: np.ndarray) -> np.ndarray:
    order = np.arange(1, len(outline.harmonics) + 1)[:, None, None]
    cos, sin = outline.harmonics[:, :1, None], outline.harmonics[:, 1:, None]
    slow = (cos * np.cos(order * angle) + sin * np.sin(order * angle)).sum(axis=0)
    turns = outline.lobes * angle / (2 * np.pi)
    fast = 4 * np.abs(turns % 1 - 0.5) - 1 if outline.pointed else np.cos(2 * np.pi * turns)
    return np.clip((0.8 + slow) * (1 + outline.depth * fast) / (1 + outline.depth), 0.15, 1.2)


def _field(pattern: Pattern, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Evaluates a pattern at `(x, y)`, in about [-1, 1]."""
    frequencies, phases = pattern.frequencies, pattern.phases
    waves = np.pi * (frequencies[:, 0, None, None] * x + frequencies[:, 1, None, None] * y) + phases[:, None, None]
    if pattern.family == 0:  # stripes
        return np.sin(waves[0])
    if pattern.family == 1:  # checks
        return np.sin(waves[0]) * np.sin(np.pi * (frequencies[0, 0] * y - frequencies[0, 1] * x))
    if pattern.family == 2:  # quasi-crystal
        return np.sin(waves).mean(axis=0) * 1.7
    if pattern.family == 3:  # rings
        return np.sin(np.hypot(*frequencies[0]) * np.pi * np.hypot(x, y) + phases[0])
    if pattern.family == 4:  # warped stripes
        return np.sin(waves[0] + 2.5 * np.sin(0.4 * waves[1]))
    return np.maximum(np.cos(waves[0]) + np.cos(waves[1]), np.cos(waves[2])) - 0.7  # spots


def _clutter(rng: np.random.Generator, image_size: int) -> np.ndarray:
    """A background of random patterns and shapes that says nothing about the class."""
    x, y = _pose(_grid(image_size), rng, spread=1, scale=(0.5, 2))
    ((_, pattern),) = formula_classes(1, 1, seed=int(rng.integers(2**31)))
    pattern = replace(pattern, family=int(rng.integers(6)))
    field = rng.uniform(0, 1) * _field(pattern, x, y) + rng.uniform(0, 2) * _noise(rng, image_size, rng.uniform(1, 12))
    picture = _mix(*_two_colours(rng, rng.uniform()), _soft_step(field, rng.uniform(0.5, 3)))
    for _ in range(rng.integers(0, 3)):
        x, y = _pose(_grid(image_size), rng, spread=1, scale=(0.1, 0.5))
        ((outline, _),) = formula_classes(1, 1, seed=int(rng.integers(2**31)))
        blob = _soft(_radius(outline, np.arctan2(y, x)) - np.hypot(x, y), image_size)
        picture += blob[..., None] * (_colour(rng.uniform(), rng.uniform(), rng.uniform(0.1, 1)) - picture)
    return picture


def _ground(rng: np.random.Generator, image_size: int) -> np.ndarray:
    """Bright paper or stone: soft noise at several scales in pale colours, with a straw or two."""
    field = np.sum([_noise(rng, image_size, scale) for scale in (1, 3, 9)], axis=0) / 2
    hue = rng.choice([0.08, 0.25, 0.6]) + rng.normal() * 0.03
    dark, bright = _colour(hue, rng.uniform(0, 0.3), 0.6), _colour(hue, rng.uniform(0, 0.2), rng.uniform(0.8, 1))
    picture = _mix(dark, bright, _soft_step(field, 0.6))
    for _ in range(rng.integers(0, 3)):
        x, y = _pose(_grid(image_size), rng, spread=1, scale=(0.1, 0.4))
        straw = _soft(1 - np.hypot(x * rng.uniform(1, 12), y), image_size)
        picture += straw[..., None] * (_colour(hue, rng.uniform(0, 0.6), rng.uniform(0.2, 0.9)) - picture)
    return picture


def _photograph(ground: np.ndarray, surface: np.ndarray, inside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lays the object on the ground with its shadow, lights the scene and adds the camera's faults."""
    image_size = len(ground)
    shift = rng.integers(-4, 5, 2) * image_size // 96
    shadow = np.roll(inside, shift, axis=(0, 1))[..., None] * rng.uniform(0, 0.6)
    picture = ground * (1 - shadow)
    picture = picture + inside[..., None] * (surface - picture)
    x, y = _grid(image_size)
    slope = rng.normal(size=2) * 0.25
    light = rng.uniform(0.6, 1.15) + slope[0] * x + slope[1] * y
    picture = picture * light[..., None] * rng.normal(1, 0.06, 3)
    picture = picture + rng.normal(size=picture.shape) * rng.uniform(0, 0.06)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _noise(rng: np.random.Generator, image_size: int, cells: float) -> np.ndarray:
    """Smooth noise with about `cells` bumps across, zero mean and unit deviation."""
    frequency = np.fft.fftfreq(image_size) * image_size
    band = np.exp(-(frequency[:, None] ** 2 + np.fft.rfftfreq(image_size)[None] ** 2 * image_size**2) / (2 * cells**2))
    spectrum = np.fft.rfft2(rng.normal(size=(image_size, image_size))) * band
    noise = np.fft.irfft2(spectrum, s=(image_size, image_size))
    return (noise - noise.mean()) / (noise.std() + 1e-9)


def _soft(distance: np.ndarray, image_size: int) -> np.ndarray:
    """1 inside, 0 outside, with an edge about a pixel wide."""
    return np.clip(distance * image_size / 3 + 0.5, 0, 1)


def _soft_step(field: np.ndarray, sharpness: float) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(sharpness * field)


def _mix(dark: np.ndarray, bright: np.ndarray, share: np.ndarray) -> np.ndarray:
    return dark + (bright - dark) * share[..., None]


def _two_colours(rng: np.random.Generator, hue: float) -> tuple[np.ndarray, np.ndarray]:
    return (
        _colour(hue, rng.uniform(0, 1), rng.uniform(0.05, 0.5)),
        _colour(hue + rng.normal() * 0.2, rng.uniform(0, 1), rng.uniform(0.5, 1)),
    )


def _colour(hue: float, saturation: float, value: float) -> np.ndarray:
    """HSV in [0, 1] to RGB in [0, 1], shape `(3,)`."""
    ramp = np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1
    return value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))
