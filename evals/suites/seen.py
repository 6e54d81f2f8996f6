"""Which public rows the embedded router model learned from; a figure on those says little of others.

Training's split follows from all its rows together, so what it held out is kept here as digests, in ``held_out.jsonl``.
``python -m tiergraph.suites.seen DATA`` prints that file anew after a training; `DATA` holds what was trained on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tiergraph.suites.files import short
from tiergraph.training.data import side

SOURCES = ("clinc150", "banking77", "llmrouter", "legalbench")
"""The sources whose rows are told apart by their texts; others are by the name of their group."""


@cache
def _kept() -> dict[str, frozenset[str]]:
    text = files("tiergraph.suites").joinpath("held_out.jsonl").read_text(encoding="utf-8")
    return {row["source"]: frozenset(row["digests"]) for row in map(json.loads, text.splitlines())}


def held_out(source: str, text: str) -> bool:
    """Whether a row of one of ``SOURCES`` was kept out of training and calibration."""
    return short(text) in _kept()[source]


def held_out_group(group: str) -> bool:
    """Whether a named group was kept out of training and calibration."""
    return side(group) == "held_out"


def stratum(kept_out: bool) -> dict[str, str]:
    """What cases of trained and of other rows are told apart by."""
    return {"trained_on": "no" if kept_out else "yes"}


def split(data: Path) -> Iterator[dict[str, Any]]:
    """The rows of ``held_out.jsonl``: of each source the digests of what training holds out, and the model it is of."""
    from tiergraph.training.router import gather

    manifest = json.loads(files("tiergraph.models").joinpath("embedded.json").read_text(encoding="utf-8"))

    # own-written rows share no text with these sources: leaving them out splits the same, and saves a minute
    rows = gather(data, None, 0, 0).parts["held_out"]
    for source in SOURCES:
        digests = sorted(short(row.text) for row in rows if row.source == source)
        yield {"source": source, "gguf_sha256": manifest["gguf_sha256"], "digests": digests}


if __name__ == "__main__":
    sys.stdout.writelines(f"{json.dumps(row)}\n" for row in split(Path(sys.argv[1])))
