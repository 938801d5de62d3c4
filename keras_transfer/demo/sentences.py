"""Sentences of a grammar: the text that the shipped encoder was pretrained on, and the reviews of the demo."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GOOD = _words("""
    amazing brilliant charming clean comfortable delicious elegant enjoyable excellent fantastic flawless fresh gorgeous
    great impressive lovely marvellous outstanding perfect pleasant reliable splendid superb terrific wonderful
""")
BAD = _words("""
    awful boring broken clumsy cold cramped dirty disappointing disgusting dreadful dull faulty filthy horrible lousy
    mediocre miserable noisy rotten shabby slow stale terrible ugly useless
""")
THINGS = _words("""
    soup pasta salad curry dessert bread coffee breakfast steak pizza
    room bed lobby pool view bathroom balcony garden suite terrace
    phone screen camera battery laptop speaker keyboard printer watch tablet
    film plot acting music ending concert play story singer dance
""")
_PEOPLE = _words("i we they everybody")
_MONEY = _words("price bill cost fee ticket")
_DEGREES = _words("very really quite truly so")
_TIMES = ("today", "yesterday", "again", "last night", "this morning", "once more")
_GLAD = (
    "{who} will come back soon",
    "{who} told all our friends to go",
    "{who} smiled all evening",
    "thank you so much",
    "{who} would buy it again",
)
_SORRY = (
    "{who} will never come back",
    "{who} told all our friends to stay away",
    "{who} left early and angry",
    "{who} want the money back",
    "what a waste of time",
)
_CLAIMS = (
    "the {thing} was {degree} {word}",
    "the {thing} is {word}",
    "{who} found the {thing} {degree} {word}",
    "a {word} {thing}",
    "{who} had a {word} {thing} {time}",
)
_TURNED = 0.2  # share of the clauses that say what a thing is not


def vocabulary() -> list[str]:
    """Returns all words of the grammar, each once, in the order of the alphabet."""
    sentences = (*_GLAD, *_SORRY, *_CLAIMS, *_TIMES, "not but and for the")
    words = {word for sentence in sentences for word in sentence.split() if not word.startswith("{")}
    return sorted(words.union(GOOD, BAD, THINGS, _PEOPLE, _MONEY, _DEGREES))


def claim(rng: np.random.Generator, good: bool) -> str:
    """Returns a clause that praises a thing or complains of it; one in five does so by saying what it is not."""
    turned = rng.uniform() < _TURNED
    text = str(rng.choice(_CLAIMS[:3] if turned else _CLAIMS))
    word = str(rng.choice(GOOD if good != turned else BAD))
    return text.format(
        thing=rng.choice(THINGS),
        degree="not" if turned else rng.choice(_DEGREES),
        word=f"not {word}" if turned and "{degree}" not in text else word,
        who=rng.choice(_PEOPLE),
        time=rng.choice(_TIMES),
    )


def paragraphs(count: int, seed: int = 0) -> Iterator[str]:
    """Yields text to pretrain on: clauses that agree, at times one that does not, and what people did then."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        good = bool(rng.integers(2))
        parts = [claim(rng, good), "and", claim(rng, good), "and"]
        if rng.uniform() < 0.1:
            parts = [claim(rng, not good), "but", *parts]
        parts.append(str(rng.choice(_GLAD if good else _SORRY)).format(who=rng.choice(_PEOPLE)))
        if rng.uniform() < 0.3:
            parts += ["for", "the", str(rng.choice(_MONEY))]
        yield " ".join(parts)


def reviews(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns single clauses, half of them glad and half sorry, and which they are."""
    rng = np.random.default_rng([1, seed])
    labels = ["glad" if index % 2 else "sorry" for index in range(count)]
    return [claim(rng, label == "glad") for label in labels], labels


def bills(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Returns clauses of which half name a price, in a word at their end, and whether they do."""
    rng = np.random.default_rng([2, seed])
    labels = ["money" if index % 2 else "no money" for index in range(count)]
    ends = (rng.choice(_MONEY if label == "money" else THINGS) for label in labels)
    return [f"{claim(rng, bool(rng.integers(2)))} for the {end}" for end in ends], labels
