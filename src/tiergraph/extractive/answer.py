"""The answer of a tier that needs no language model, and the word with which it gives up."""

from __future__ import annotations

from dataclasses import dataclass

UNSURE = "UNSURE"
"""What a tier answers, and nothing else, when it cannot; the cascade then goes on to the next tier."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Verbatim passages, or `UNSURE`.

    Attributes:
        text: The answer; every passage ends with its citation such as ``[reset-password]``.
        citations: Ids of the documents quoted, distinct, in order of first use.
        confidence: Share in [0, 1] of the question's words, by weight, that the passages cover; 0 for `UNSURE`.
    """

    text: str
    citations: tuple[str, ...] = ()
    confidence: float = 0.0

    @property
    def unsure(self) -> bool:
        return self.text == UNSURE


GIVE_UP = Answer(text=UNSURE)
