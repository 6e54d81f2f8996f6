"""The README does what it says: its Python runs, its commands and links exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
SHELL = {"bash", "sh", "shell", "console"}
ELSEWHERE = ("src/", "prompts/")  # not beside the tests when they run against an installed wheel


class Block(NamedTuple):
    language: str
    text: str
    line: int


@pytest.fixture(scope="module")
def readme(repo_root: Path) -> str:
    return (repo_root / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def blocks(readme: str) -> list[Block]:
    return [Block(found[1], found[2], readme.count("\n", 0, found.start()) + 2) for found in FENCE.finditer(readme)]


def commands(blocks: list[Block]) -> Iterator[list[str]]:
    """The words of every command in the shell blocks, without prompts, comments, assignments and pipes."""
    for block in blocks:
        if block.language not in SHELL:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("();<>|&"):
                    if words:
                        yield words
                    words = []
                elif words or not re.match(r"[A-Za-z_]+=", word):
                    words.append(word)


def test_the_python_blocks_run(blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = [block for block in blocks if block.language == "python"]
    assert code, "README.md shows no Python"
    monkeypatch.chdir(tmp_path)
    tiergraph = Path(sys.executable).with_name("tiergraph")
    for words in commands(blocks):
        if words[:2] == ["tiergraph", "init"]:  # the file that the Python goes on with
            subprocess.run([tiergraph, *words[1:]], check=True, capture_output=True, timeout=120)
    module = types.ModuleType("readme")
    monkeypatch.setitem(
        sys.modules, "readme", module
    )  # where typing looks up the names of the classes that the blocks define
    for block in code:
        exec(compile("\n" * (block.line - 1) + block.text, "README.md", "exec"), module.__dict__)


def test_the_commands_exist(blocks: list[Block]) -> None:
    from typer.main import get_command

    from tiergraph.cli import app

    known = getattr(get_command(app), "commands")  # noqa: B009  # a group has it, the annotated class does not
    used = [words for words in commands(blocks) if words[0] == "tiergraph"]
    assert used, "README.md shows no tiergraph command"
    for words in used:
        arguments = [word for word in words[1:] if word != "--help"]
        if not arguments:
            continue
        commands_here, command = known, None
        while arguments and commands_here:
            name = arguments.pop(0)
            assert name in commands_here, f"README.md: there is no {name!r} in {' '.join(words)!r}"
            command = commands_here[name]
            commands_here = getattr(command, "commands", {})
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert flags <= options, f"README.md: {' '.join(words)!r} has unknown flags {sorted(flags - options)}"


def test_the_make_targets_exist(blocks: list[Block], repo_root: Path) -> None:
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    used = [word for words in commands(blocks) if words[0] == "make" for word in words[1:] if "=" not in word]
    assert {"run", "test"} <= set(used)
    assert [word for word in used if not word.startswith("-") and word not in targets] == []


def test_the_links_lead_somewhere(readme: str, repo_root: Path) -> None:
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", readme) if "://" not in link}
    if os.environ.get("TIERGRAPH_TEST_INSTALLED"):
        links = {link for link in links if not link.startswith(ELSEWHERE)}
    assert [link for link in sorted(links) if link and not (repo_root / link).exists()] == []
