"""Does llama.cpp compute what PyTorch computed? Token ids and field probabilities, text by text."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiergraph.training.extras import require
from tiergraph.training.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Equality:
    """texts: compared. token_mismatches: texts whose ids differ. probability: greatest absolute difference of any
    field's probability, 0 to 1."""

    texts: int
    token_mismatches: int
    probability: float


TRICKY: tuple[str, ...] = (
    "Naïve café, déjà vu; Größe Straße; Ærøskøbing; İstanbul; ﬁne ﬂuﬀ",
    "日本語のテキスト、漢字とカナ。 中文字符，測試！ 한국어 문장입니다.",
    "العربية من اليمين إلى اليسار ١٢٣٤ עברית हिन्दी १२३ ไทย ภาษา",
    "emoji 😀😃 👩‍👩‍👧‍👦 🇩🇪 ❤️‍🔥 ☕️ ✅ 1️⃣ 🧑🏽‍💻",
    "tabs\tand\t\tmore   spaces    \n\n\n newlines \r\n windows\r\n   indented",
    "    leading and trailing    ",
    "def f(x):\n    return {k: v**2 for k, v in x.items() if v != 0}  # comment\n\n\nprint(f({'a': 1}))",
    "SELECT * FROM t WHERE a >= 10.5e-3 AND b <> 'it''s' -- 1,234,567.89",
    "don't we've I'll you're he's I'm she'd DON'T WE'VE I'LL ’tis it’s",
    "½ ⅓ x² x³ Ⅷ ⅻ ① ② ₁₂ ٣ ௧ 〇 一二三",
    "∑_{i=1}^{n} √(xᵢ² + yᵢ²) ≤ ∞ ⇒ α→β ∀ε>0 ∃δ",
    "<bos> <decide> <tier:5> <probe:0> <eos> <pad> <|endoftext|> </s>",
    "zero\u200bwidth\u200djoiner\ufeffbom\u00a0nbsp\u2003em\u3000wide\u2028line\u0085next",
    "combining e\u0301 a\u0308 n\u0303 \u0300 Z\u0351\u036b\u0343\u036a",
    "\x00\x01\x02 control \x1b[31mred\x1b[0m \x7f",
    "!!!???...,,,;;;:::---___===+++***///\\\\\\|||~~~```'''\"\"\"",
    "https://example.com/a/b?c=d&e=f%20g#h user@example.co.uk +1 (555) 010-9999 4111-1111-1111-1111",
    "ꙮ ߷ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚 𐍈 𓀀 🂡 \U000e0041",
    "a",
    " ",
    "\n",
    "7",
    "1234567890123456789012345678901234567890",
    "\u0958\u0f71 \u1100\u1161 \u0e33 \u17d2 \u0303 \ua66f \u2067rtl\u2069",
)
"""Texts on which tokenisers tend to differ."""


def random_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of random assigned code points of the planes in use, with spaces and digits strewn in."""
    import random

    draw = random.Random(seed)
    texts: list[str] = []
    while len(texts) < count:
        letters: list[str] = []
        while len(letters) < 40:
            high = draw.choice((0x80, 0x250, 0x800, 0x3100, 0xAC00, 0x1F700))
            letter = chr(draw.randrange(high))
            if unicodedata.category(letter) not in {"Cn", "Cs", "Co"}:
                letters.append(draw.choice((letter, letter, letter, " ", "7")))
        texts.append("".join(letters))
    return texts


def compare(gguf: Path, network: Any, vocabulary: Vocabulary, texts: Sequence[str]) -> Equality:
    """Run ``texts`` through the GGUF in llama.cpp and through ``network``.

    Tokens are compared on these texts and on ``TRICKY``, probabilities on these texts alone.
    """
    from tiergraph.training.train import field_logits

    numpy = require("numpy")
    expected, _ = field_logits(network, vocabulary, texts)
    names = vocabulary.contract
    mismatches, worst = 0, 0.0
    with LlamaCpp(gguf) as llama:
        for text in (*texts, *TRICKY):
            mismatches += llama.tokenise(text) != vocabulary.encode([text])[0]
        for i, ids in enumerate(vocabulary.requests(texts)):
            logits = llama.last_logits(ids)
            for field, values in names["fields"].items():
                difference = softmax(logits[list(values.values())]) - softmax(expected[field][i])
                worst = max(worst, float(numpy.abs(difference).max()))
    return Equality(texts=len(texts), token_mismatches=mismatches, probability=worst)


def softmax(logits: Any) -> Any:
    """Probabilities over the last axis."""
    numpy = require("numpy")
    shifted = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


class LlamaCpp:
    """A GGUF in llama.cpp, read one prompt at a time. Use as a context manager."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self._cpp = require("llama_cpp")
        self._llama = self._cpp.Llama(
            str(path),
            n_ctx=1024,
            n_batch=1024,
            n_ubatch=1024,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )

    def __enter__(self) -> LlamaCpp:
        return self

    def __exit__(self, *_: object) -> None:
        self._llama.close()

    @property
    def metadata(self) -> dict[str, str]:
        """The GGUF's metadata, values as text."""
        return dict(self._llama.metadata)

    def tokenise(self, text: str) -> list[int]:
        """Ordinary token ids of ``text``; control tokens spelt in it stay text."""
        return list(self._llama.tokenize(text.encode(), add_bos=False, special=False))

    def last_logits(self, ids: Sequence[int]) -> Any:
        """Logits at the last of ``ids``, float32 (vocabulary,)."""
        numpy = require("numpy")
        self._llama.reset()
        self._llama.eval(list(ids))
        pointer = self._cpp.llama_get_logits_ith(self._llama.ctx, -1)
        return numpy.ctypeslib.as_array(pointer, shape=(self._llama.n_vocab(),)).copy()
