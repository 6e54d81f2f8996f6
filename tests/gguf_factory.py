"""GGUF files small enough for tests: random weights with the router's contract and without, and one that routes.

The vocabulary is a byte-level BPE learned from the help texts that ship with Python, so it is the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

from tiergraph.proposal import INTENTS, REASONS

NORMAL, CONTROL = 1, 3  # llama.cpp's token types
FLAG = ("true", "false")
FIELDS: dict[str, tuple[str, ...]] = {
    "tier": tuple("012345"),
    "difficulty": ("1", "2", "3"),
    "intent": INTENTS,
    "needs_retrieval": FLAG,
    "contains_pii": FLAG,
    "is_legal": FLAG,
    "reason": REASONS,
}
PROBES = 32
Tensors = dict[str, np.ndarray[Any, Any]]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def byte_alphabet() -> list[str]:
    """GPT-2's printable character for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


@cache
def merges(count: int) -> tuple[tuple[str, str], ...]:
    """The first ``count`` BPE merges, learned from Python's help texts and topped up with letter pairs."""
    from pydoc_data.topics import topics

    alphabet = byte_alphabet()
    text = "\n".join([*topics.values(), *INTENTS * 8, *REASONS * 8, *FIELDS])
    words = Counter(re.findall(r" ?[A-Za-z]+| ?[^\sA-Za-z0-9]+", text))
    parts = {word: [alphabet[byte] for byte in word.encode()] for word in words}
    counts: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[str]] = {}
    for word, symbols in parts.items():
        for pair in pairwise(symbols):
            counts[pair] += words[word]
            where.setdefault(pair, set()).add(word)
    learned: list[tuple[str, str]] = []
    while len(learned) < count and counts:
        best = max(counts, key=lambda pair: (counts[pair], pair))
        if counts[best] <= 0:
            break
        learned.append(best)
        for word in where.pop(best):
            symbols = parts[word]
            for pair in pairwise(symbols):
                counts[pair] -= words[word]
            parts[word] = symbols = list(_merged(symbols, best))
            for pair in pairwise(symbols):
                counts[pair] += words[word]
                where.setdefault(pair, set()).add(word)
        del counts[best]
    known = {left + right for left, right in learned}
    spare = (pair for pair in _letter_pairs() if "".join(pair) not in known)
    while len(learned) < count:
        learned.append(next(spare))
    return tuple(learned)


def _merged(symbols: list[str], pair: tuple[str, str]) -> Iterator[str]:
    i = 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            yield symbols[i] + symbols[i + 1]
            i += 2
        else:
            yield symbols[i]
            i += 1


def _joining(word: str, learned: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Merges that, after those that are learned, make one token of a word."""
    alphabet = byte_alphabet()
    symbols = [alphabet[byte] for byte in word.encode()]
    for pair in learned:
        symbols = list(_merged(symbols, pair))
    more = []
    while len(symbols) > 1:
        more.append((symbols[0], symbols[1]))
        symbols[:2] = [symbols[0] + symbols[1]]
    return more


def _letter_pairs() -> Iterator[tuple[str, str]]:
    high = byte_alphabet()[128:]
    yield from ((left, right) for left in high for right in high)


def build(
    path: Path,
    *,
    contract: bool = True,
    vocabulary: int = 1024,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    feed_forward: int = 128,
    context: int = 1024,
    weights: Literal["f32", "q8_0"] = "f32",
    scale: float = 1.0,
    seed: int = 0,
    chat_template: str | None = None,
    arch: str = "llama",
    with_weights: bool = True,
    contract_changes: dict[str, Any] | None = None,
    words: Sequence[str] = (),
    arrange: Callable[[list[str], Tensors], None] | None = None,
) -> Path:
    """Write a GGUF of random weights and return ``path``.

    Args:
        contract: Whether it carries control tokens and ``tiergraph.contract``, as the embedded model does.
        vocabulary: Tokens, control tokens included, those of ``words`` not.
        width: Width of the network; it and ``feed_forward`` are multiples of 32 for ``q8_0``.
        scale: Spread of the output matrix: the larger, the more the answers differ between texts.
        with_weights: Without them the file holds a vocabulary only.
        contract_changes: Keys of the contract to replace, for broken ones.
        words: Texts without spaces inside that are one token each.
        arrange: Changes the tensors, given the tokens as the file spells them.
    """
    rng = np.random.default_rng(seed)
    if contract:
        values = [f"<{field}:{value}>" for field, names in FIELDS.items() for value in names]
        special = ["<bos>", "<eos>", "<pad>", "<decide>", *values, *(f"<probe:{i}>" for i in range(PROBES))]
    else:
        special = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    learned = merges(vocabulary - 256 - len(special))
    for word in words:
        learned = (*learned, *_joining(word, learned))
    tokens = [*byte_alphabet(), *(left + right for left, right in learned), *special]
    first = len(tokens) - len(special)
    ids = {token: first + i for i, token in enumerate(special)}

    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_name("random")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm" if contract else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([NORMAL] * first + [CONTROL] * len(special))
    writer.add_token_merges([f"{left} {right}" for left, right in learned])
    writer.add_bos_token_id(first)
    writer.add_eos_token_id(first + 1)
    writer.add_pad_token_id(first + 2)
    writer.add_add_bos_token(not contract)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    if contract:
        writer.add_string(
            "tiergraph.contract",
            json.dumps(
                {
                    "version": 1,
                    "bos": ids["<bos>"],
                    "decide": ids["<decide>"],
                    "fields": {f: {v: ids[f"<{f}:{v}>"] for v in names} for f, names in FIELDS.items()},
                    "probes": [ids[f"<probe:{i}>"] for i in range(PROBES)],
                    "max_request_tokens": 384,
                    **(contract_changes or {}),
                }
            ),
        )

    def matrix(rows: int, columns: int, spread: float) -> np.ndarray[Any, Any]:
        return (rng.standard_normal((rows, columns)) * spread).astype(np.float32)

    shapes: Tensors = {}
    if with_weights:
        shapes["token_embd.weight"] = matrix(len(tokens), width, 1.0)
        shapes["output_norm.weight"] = np.ones(width, np.float32)
        shapes["output.weight"] = matrix(len(tokens), width, scale / width**0.5)
    for i in range(layers if with_weights else 0):
        for part, rows, columns in (
            ("attn_q", width, width),
            ("attn_k", width, width),
            ("attn_v", width, width),
            ("attn_output", width, width),
            ("ffn_gate", feed_forward, width),
            ("ffn_up", feed_forward, width),
            ("ffn_down", width, feed_forward),
        ):
            shapes[f"blk.{i}.{part}.weight"] = matrix(rows, columns, 1 / columns**0.5)
        for part in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{i}.{part}.weight"] = np.ones(width, np.float32)
    if arrange is not None:
        arrange(tokens, shapes)
    kinds = gguf.GGMLQuantizationType
    for name, array in shapes.items():
        if array.ndim == 1 or weights == "f32":
            writer.add_tensor(name, array)
        else:
            writer.add_tensor(name, gguf.quantize(array, kinds.Q8_0), raw_dtype=kinds.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def build_embedded_like(path: Path, *, vocabulary: int = 8000) -> Path:
    """The shape of the embedded model: about 6M parameters, quantised, with the contract."""
    return build(
        path, vocabulary=vocabulary, layers=5, width=256, heads=4, feed_forward=704, context=1024, weights="q8_0"
    )


def build_small(path: Path) -> Path:
    """Another GGUF, without the contract: about 6M parameters and 8,000 tokens."""
    return build(
        path, contract=False, vocabulary=8000, layers=5, width=256, feed_forward=704, context=2048, weights="q8_0"
    )


def build_medium(path: Path) -> Path:
    """Another GGUF, without the contract: about 60M parameters and 8,000 tokens."""
    return build(
        path,
        contract=False,
        vocabulary=8000,
        layers=12,
        width=576,
        heads=9,
        feed_forward=1536,
        context=2048,
        weights="q8_0",
    )


TRIGGERS = ("theorem", "eigenvalue", "topology", "monads", "asymptotic")
"""Words that make `build_routing`'s model ask for the dear tier. None of our prompts has them."""

_TRIGGER, _CONSTANT, _SPARE, _SEEN = range(4)
"""Channels of its network: a trigger is here; always 1; 1 without a trigger, so that all are as long; seen so far."""


def build_routing(
    path: Path, *, cheap: str = "small", dear: str = "large", chat_template: str | None = CHATML, context: int = 4096
) -> Path:
    """A hand-made model that really routes: a text with one of `TRIGGERS` to ``dear``, any other to ``cheap``.

    Attention is uniform, since queries and keys are 0, and copies what share of the tokens were triggers into a channel
    of its own. That channel raises every token that begins ``dear`` and lowers those that begin ``cheap``; without it
    the constant does the opposite. Names that begin alike would confuse it. Further biases let it write JSON under a
    grammar with as few tokens as there are, without white space, with flags that are false.
    """
    names = (cheap, dear)

    def arrange(tokens: list[str], tensors: Tensors) -> None:
        for name, array in tensors.items():
            if not name.endswith("norm.weight"):
                array[:] = 0
        texts = [_text(token) for token in tokens]
        embedding, output = tensors["token_embd.weight"], tensors["output.weight"]
        embedding[:, _CONSTANT] = embedding[:, _SPARE] = 1
        triggers = [i for i, text in enumerate(texts) if text.strip() in TRIGGERS]
        embedding[triggers, _TRIGGER], embedding[triggers, _SPARE] = 1, 0
        tensors["blk.0.attn_v.weight"][0, _TRIGGER] = 1
        tensors["blk.0.attn_output.weight"][_SEEN, 0] = 1000  # a share of 1 in 2,000 outweighs the constant
        for i, text in enumerate(texts):
            output[i, _CONSTANT] = _liking(text)
            for name, way in ((cheap, -1), (dear, 1)):
                if text.strip() and name.startswith(text.strip()):
                    output[i, _CONSTANT] -= 2 * way
                    output[i, _SEEN] += 4 * way

    words = [space + word for word in (*TRIGGERS, *names) for space in ("", " ")]
    return build(
        path,
        contract=False,
        layers=1,
        context=context,
        chat_template=chat_template,
        words=words,
        arrange=arrange,
    )


def _text(token: str) -> str:
    alphabet = {character: byte for byte, character in enumerate(byte_alphabet())}
    if token in ("<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"):
        return token
    return bytes(alphabet[character] for character in token).decode("utf-8", "replace")


def _liking(text: str) -> float:
    """How much the routing model likes a token where several are possible."""
    bare = text.strip()
    liking = 0.05 * len(text)
    if text == "</s>" or text in (",", "}"):
        liking += 1.0
    if text[0].isspace():
        liking -= 3.0
    if text == "-":
        liking -= 1.0
    if bare and "true".startswith(bare):
        liking -= 1.0
    if bare.isdigit() or text == ".":
        liking -= 0.25 if bare == "1" else 0.5
    return liking


def build_lora(
    path: Path,
    *,
    layers: int = 2,
    width: int = 64,
    rank: int = 2,
    strength: float = 1.0,
    arch: str = "llama",
    seed: int = 7,
) -> Path:
    """A LoRA adapter with random weights on the attention of a model that `build` made with the same shape."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for i in range(layers):
        for part in ("attn_q", "attn_output"):
            down = rng.standard_normal((rank, width)).astype(np.float32) * strength / width**0.5
            up = rng.standard_normal((width, rank)).astype(np.float32)
            writer.add_tensor(f"blk.{i}.{part}.weight.lora_a", down)
            writer.add_tensor(f"blk.{i}.{part}.weight.lora_b", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def manifest(model: Path, calibration: dict[str, Any] | None = None) -> Path:
    """Write the manifest that stands beside a model with the contract."""
    path = model.with_suffix(".json")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    path.write_text(json.dumps({"gguf_sha256": digest, "calibration": calibration or {}}))
    return path
