"""A byte-level BPE vocabulary that llama.cpp and the ``tokenizers`` library read alike.

Digits are single tokens: identifiers are recognised by their shape, and numbers never seen in training still
have known parts. llama.cpp calls this pre-tokeniser ``smollm`` (each digit alone, then GPT-2's pattern).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiergraph.training.extras import require
from tiergraph.training.fields import MAX_REQUEST_TOKENS, Contract, contract, control_tokens

PRE_TOKENISER = "smollm"
"""Value of ``tokenizer.ggml.pre`` in the GGUF."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """An ordinary vocabulary followed by the control tokens.

    tokenizer: a ``tokenizers.Tokenizer`` that knows only the ordinary tokens, ids 0 to ``first_control`` - 1.
    """

    tokenizer: Any

    @property
    def first_control(self) -> int:
        """Id of the first control token; the number of ordinary tokens."""
        return int(self.tokenizer.get_vocab_size())

    @property
    def size(self) -> int:
        """Number of tokens, control tokens included."""
        return self.first_control + len(control_tokens())

    @property
    def contract(self) -> Contract:
        """Token ids by name."""
        return contract(self.first_control)

    @property
    def pad(self) -> int:
        """Id of ``<pad>``."""
        return self.first_control + 2

    @property
    def eos(self) -> int:
        """Id of ``<eos>``."""
        return self.first_control + 1

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ordinary token ids of each text, in full."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def requests(self, texts: Sequence[str], limit: int = MAX_REQUEST_TOKENS) -> list[list[int]]:
        """``<bos>`` + at most ``limit`` request tokens + ``<decide>`` for each text."""
        names = self.contract
        return [[names["bos"], *window(ids, limit), names["decide"]] for ids in self.encode(texts)]

    def tokens(self) -> list[str]:
        """Every token in id order, ordinary ones in GPT-2's printable byte alphabet."""
        by_id = {i: token for token, i in self.tokenizer.get_vocab().items()}
        return [by_id[i] for i in range(self.first_control)] + control_tokens()

    def merges(self) -> list[str]:
        """The BPE merges in rank order, each as ``left right``."""
        import json

        pairs = json.loads(self.tokenizer.to_str())["model"]["merges"]
        return [pair if isinstance(pair, str) else " ".join(pair) for pair in pairs]


def window(ids: list[int], limit: int = MAX_REQUEST_TOKENS) -> list[int]:
    """At most ``limit`` tokens of a request: the first two thirds and the last third of the window.

    Long requests state what they want at their start or at their end.
    """
    if len(ids) <= limit:
        return ids
    tail = limit // 3
    return ids[: limit - tail] + ids[-tail:]


def learn(texts: Iterable[str], size: int) -> Vocabulary:
    """Learn a vocabulary of at most ``size`` tokens, control tokens included, from ``texts``."""
    tokenizers = require("tokenizers")
    tokenizer = _bare(tokenizers)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size - len(control_tokens()),
        min_frequency=2,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Vocabulary(tokenizer=tokenizer)


def load(path: Path) -> Vocabulary:
    """Read a vocabulary that :func:`save` wrote."""
    return Vocabulary(tokenizer=require("tokenizers").Tokenizer.from_file(str(path)))


def save(vocabulary: Vocabulary, path: Path) -> None:
    """Write a vocabulary as JSON of the ``tokenizers`` library."""
    vocabulary.tokenizer.save(str(path))


def _bare(tokenizers: Any) -> Any:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    pre = tokenizers.pre_tokenizers
    tokenizer.pre_tokenizer = pre.Sequence(
        [pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer
