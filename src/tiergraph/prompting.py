"""Versioned prompts with strict variables. A prompt is immutable once released; its sha256 goes into every record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from tiergraph.errors import ConfigError

PROMPTS: Mapping[str, str] = MappingProxyType({"tier": "v1", "handoff": "v1", "router": "v1", "messages": "v1"})
"""The prompts in use and the version of each."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VARIABLE = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")
_SECTION = re.compile(r"^## ([a-z_]+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One version of one prompt.

    Attributes:
        name: Folder under ``prompts/``.
        version: File in it, without ``.md``.
        text: With ``{{name}}`` where a variable goes.
        sha256: Over the text in UTF-8, line ends as ``\\n``.
    """

    name: str
    version: str
    text: str
    sha256: str

    @property
    def variables(self) -> frozenset[str]:
        """Names of the variables that the text asks for."""
        return frozenset(_VARIABLE.findall(self.text))

    def render(self, **values: str) -> str:
        """The text with every variable replaced by its value, verbatim: braces in a value mean nothing.

        Raises:
            ConfigError: A variable is missing, or a value is given that the prompt does not ask for; names it.
        """
        missing, unused = sorted(self.variables - values.keys()), sorted(values.keys() - self.variables)
        if missing:
            raise self._error(f"The prompt needs the variable {missing[0]!r}.", fix=f"pass {missing[0]}=... to render.")
        if unused:
            raise self._error(f"The prompt has no variable {unused[0]!r}.", fix=f"use one of {sorted(self.variables)}.")
        return _VARIABLE.sub(lambda match: values[match[1]], self.text)

    def _error(self, problem: str, *, fix: str) -> ConfigError:
        return ConfigError(problem, file=f"prompts/{self.name}/{self.version}.md", fix=fix)


@lru_cache(maxsize=64)
def load_prompt(name: str, version: str = "v1") -> Prompt:
    """A prompt of the package.

    Raises:
        ConfigError: There is no such prompt or version, or its text has braces that make no variable.
    """
    file = f"prompts/{name}/{version}.md"
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
        raise ConfigError(f"{name!r} {version!r} names no prompt.", fix="use small letters, digits and underscores.")
    try:
        text = files("tiergraph.prompts").joinpath(name, f"{version}.md").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError("There is no such prompt.", file=file, fix=f"use one of {sorted(PROMPTS)}.") from None
    return make_prompt(name, version, text)


def make_prompt(name: str, version: str, text: str) -> Prompt:
    """A prompt from its text.

    Raises:
        ConfigError: The text has ``{{`` or ``}}`` that make no variable.
    """
    text = text.replace("\r\n", "\n").removesuffix("\n")
    rest = _VARIABLE.sub("", text)
    if "{{" in rest or "}}" in rest:
        raise ConfigError(
            "Double braces that make no variable.",
            file=f"prompts/{name}/{version}.md",
            fix="write {{name}} in small letters.",
        )
    return Prompt(name=name, version=version, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def load_prompts() -> dict[str, Prompt]:
    """Every prompt in use, by name."""
    return {name: load_prompt(name, version) for name, version in PROMPTS.items()}


@lru_cache(maxsize=1)
def prompts_digest() -> str:
    """sha256 over name, version and sha256 of every prompt in use, for the record."""
    lines = sorted(f"{prompt.name} {prompt.version} {prompt.sha256}" for prompt in load_prompts().values())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@lru_cache(maxsize=1)
def messages_for_people() -> Mapping[str, str]:
    """What the user reads where no draft is the answer, by outcome: human, refused, abstained, unavailable."""
    text = load_prompt("messages", PROMPTS["messages"]).text
    parts = _SECTION.split(text)
    return MappingProxyType({name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)})
