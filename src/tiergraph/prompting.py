"""Versioned prompts with strict variables. A prompt is immutable once released; its sha256 goes into every record."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from tiergraph.errors import ConfigError

PROMPTS: Mapping[str, str] = MappingProxyType(
    {"tier": "v1", "handoff": "v1", "router": "v2", "propose": "v1", "judge": "v1", "messages": "v1", "decision": "v1"}
)
"""The prompts in use and the version of each."""


class Use(NamedTuple):
    """How the code uses a prompt: the variables that it passes to `Prompt.render`, and the module that does."""

    variables: frozenset[str]
    module: str


def _use(module: str, *variables: str) -> Use:
    return Use(frozenset(variables), module)


USES: Mapping[str, Use] = MappingProxyType(
    {
        "tier": _use("handoff", "fence", "unsure"),
        "handoff": _use("handoff", "material", "question"),
        "router": _use("proposers.branches", "fields"),
        "propose": _use("proposers.asking", "fence", "intents", "reasons", "tiers"),
        "judge": _use("judges.hosted", "fence", "material", "most"),
        "messages": _use("nodes"),
        "decision": _use("proposers.decision_questions"),
    }
)
"""What each prompt in use has to ask for, just that; `load_prompt` and ``tiergraph prompts check`` hold it."""

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
        ConfigError: There is no such prompt or version, its text has braces that make no variable, or it is in use
            and asks for other variables than the code has.
    """
    file = f"prompts/{name}/{version}.md"
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
        raise ConfigError(f"{name!r} {version!r} names no prompt.", fix="use small letters, digits and underscores.")
    try:
        text = files("tiergraph.prompts").joinpath(name, f"{version}.md").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError("There is no such prompt.", file=file, fix=f"use one of {sorted(PROMPTS)}.") from None
    prompt = make_prompt(name, version, text)
    if PROMPTS.get(name) == version:
        check_variables(prompt)
    return prompt


def check_variables(prompt: Prompt) -> None:
    """Raise `ConfigError` where a prompt in use asks for other variables than the code has for it."""
    use = USES.get(prompt.name)
    if use is None or prompt.variables == use.variables:
        return
    raise ConfigError(
        f"It asks for {sorted(prompt.variables)}, and the code has {sorted(use.variables)}.",
        file=f"prompts/{prompt.name}/{prompt.version}.md",
        fix="write just those, each as {{name}}, or change USES with the code.",
    )


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
def prompts_in_use() -> Mapping[str, str]:
    """``name/version`` of every prompt in use to its sha256, for the record."""
    prompts = load_prompts().values()
    return MappingProxyType({f"{prompt.name}/{prompt.version}": prompt.sha256 for prompt in prompts})


@lru_cache(maxsize=1)
def prompts_digest() -> str:
    """sha256 over name, version and sha256 of every prompt in use, for the record."""
    lines = sorted(f"{name.replace('/', ' ')} {sha256}" for name, sha256 in prompts_in_use().items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@lru_cache(maxsize=1)
def messages_for_people() -> Mapping[str, str]:
    """What the user reads where no draft is the answer, by outcome: human, refused, abstained, unavailable."""
    return sections(load_prompt("messages", PROMPTS["messages"]).text)


def sections(text: str) -> Mapping[str, str]:
    """The parts of a text under ``## name``, without space at their ends; what stands before the first is left out."""
    parts = _SECTION.split(text)
    return MappingProxyType({name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)})
