"""Configuration and documents from what the user named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig
    from tiergraph.decider import Decider
    from tiergraph.extractive import Bm25Retriever


def example_text() -> str:
    """The commented example: the packaged default, and what ``tiergraph init`` writes."""
    return files("tiergraph.graphs").joinpath("router.yaml").read_text(encoding="utf-8")


def read_config(path: Path | None) -> RouterConfig:
    """The configuration in a file, or the packaged default.

    Raises:
        ConfigError: Names file, line and fix.
    """
    from tiergraph.config import load_config, parse_config

    return parse_config(example_text()) if path is None else load_config(path)


def read_config_here(path: Path | None) -> RouterConfig:
    """The configuration in a file; without one, in ``router.yaml`` of this folder, and only then the packaged default.

    Raises:
        ConfigError: Names file, line and fix.
    """
    here = Path("router.yaml")
    return read_config(here if path is None and here.is_file() else path)


def loaded_decider(config: RouterConfig) -> Decider:
    """As `tiergraph.decider.create_decider`, with its stages on stderr where that is a terminal."""
    from tiergraph.commands.console import stages
    from tiergraph.decider import create_decider

    with stages() as progress:
        return create_decider(config, progress=progress)


def read_retriever(path: Path, *, k: int) -> Bm25Retriever:
    """A retriever over a folder of ``.md`` and ``.txt`` files, or over a JSONL file of ``{"id", "text", "title"?}``.

    ``k``: documents that one search gives, >= 1.

    Raises:
        InputError: There is no such place, nothing in it, or a file that cannot be read; names it and the fix.
    """
    from tiergraph.errors import InputError
    from tiergraph.extractive import Bm25Retriever

    if path.is_dir():
        documents = [*Bm25Retriever.from_folder(path).documents, *_text_files(path)]
    elif path.is_file():
        documents = list(_jsonl(path))
    else:
        raise InputError(f"{path}: there is no such file or folder.", code="no_documents")
    if not documents:
        raise InputError(f"{path}: no documents. Fix: *.md or *.txt files, or rows with 'text'.", code="no_documents")
    try:
        return Bm25Retriever(documents, k=k)
    except InputError as error:
        raise InputError(f"{path}: {error}", code=error.code) from None


def _text_files(folder: Path) -> Iterator[dict[str, str]]:
    from tiergraph.errors import InputError

    for file in sorted(folder.glob("*.txt")):
        try:
            yield {"id": file.stem, "text": file.read_text(encoding="utf-8-sig"), "source": file.name}
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: cannot be read: {type(error).__name__}.", code="bad_document") from None


def _jsonl(file: Path) -> Iterator[dict[str, Any]]:
    from tiergraph.errors import InputError

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {type(error).__name__}.", code="bad_document") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{file}:{number}: not JSON. Fix: one object a line.", code="bad_document") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise InputError(f'{file}:{number}: no \'text\'. Fix: {{"id", "text"}}.', code="bad_document")
        yield row
