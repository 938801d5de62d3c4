"""Fonts for names in any script."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from matplotlib import font_manager

_DEFAULT = "DejaVu Sans"  # comes with matplotlib
_LIKELY = (
    "Noto Sans",
    "Source Han",
    "WenQuanYi",
    "IPA",
    "Hiragino",
    "PingFang",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun",
)
_BOXES = ("Last Resort", "STIX", "cm", "DejaVu Sans Display")  # fonts of boxes, and of mathematics


def families_for(texts: Iterable[str]) -> list[str] | None:
    """Returns font families that together have all characters of texts; None if those installed here do not."""
    missing = {letter for text in texts for letter in text if letter.isprintable()} - _letters_of(_DEFAULT)
    found = [_DEFAULT]
    for family in _families() if missing else ():
        if covered := missing & _letters_of(family):
            missing -= covered
            found.append(family)
        if not missing:
            break
    return None if missing else found


@cache
def _families() -> list[str]:
    """Returns the names of installed fonts, those with many scripts first."""
    names = {font.name for font in font_manager.fontManager.ttflist if not font.name.startswith(_BOXES)}
    return sorted(names, key=lambda name: (not name.startswith(_LIKELY), name))


@cache
def _letters_of(family: str) -> frozenset[str]:
    path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
