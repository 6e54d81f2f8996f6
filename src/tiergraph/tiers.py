"""A tier is one rung; the ladder is the tiers in order, cheapest first. Names are data, never node names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Location = Literal["on_prem", "external"]
Modality = Literal["text", "image", "audio", "video", "file"]

MIN_TIERS, MAX_TIERS = 2, 6


class Price(BaseModel):
    """USD per million tokens, >= 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(default=0.0, ge=0)
    output: float = Field(default=0.0, ge=0)

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """USD for one call of so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / 1_000_000


class Tier(BaseModel):
    """One rung of the ladder.

    Attributes:
        name: Unique on the ladder; any text without control characters.
        model: Model reference: ``quote``, ``compose``, ``openai:NAME``, ``ollama:NAME`` or
            ``python:module:attribute`` (any LangChain chat model, or a callable that returns one).
        location: Whether what is sent to it stays with you (``on_prem``) or leaves (``external``).
        criteria: When this tier is the right one, in a sentence; router models other than the embedded one read it.
        price: USD per million input and output tokens.
        context_window: Tokens of prompt and answer together, > 0.
        modalities: What it can take in; ``text`` is always included.
        base_url: For ``openai:`` and ``ollama:``. ``${NAME}`` expands when used.
        api_key: For ``openai:``. Write ``${NAME}``, never the key itself.
        timeout_s: Seconds that one call may take, > 0.
        params: Further keyword arguments of the chat model, such as ``temperature``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    model: str = Field(min_length=1)
    location: Location
    criteria: str = ""
    price: Price = Price()
    context_window: int = Field(default=8192, gt=0)
    modalities: tuple[Modality, ...] = ("text",)
    base_url: str | None = None
    api_key: str | None = None
    timeout_s: float = Field(default=60.0, gt=0)
    params: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            raise ValueError("a tier name has no control characters and no space at its ends")
        return name

    @property
    def extractive(self) -> bool:
        """Whether it answers with passages of documents, in-process and without a language model."""
        return self.model in ("quote", "compose")

    @field_validator("model")
    @classmethod
    def _known_form(cls, model: str) -> str:
        scheme, _, rest = model.partition(":")
        whole = all(rest.partition(":")[::2]) if scheme == "python" else bool(rest)
        if model in ("quote", "compose") or (scheme in ("openai", "ollama", "python") and whole):
            return model
        raise ValueError(
            f"unknown model reference {model!r}; use quote, compose, openai:NAME, ollama:NAME or "
            "python:module:attribute"
        )

    @field_validator("modalities")
    @classmethod
    def _text_always(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        return tuple(dict.fromkeys(("text", *modalities)))


@dataclass(frozen=True)
class Ladder:
    """The tiers in order, cheapest first: 2 to 6 with distinct names.

    Raises:
        ValueError: Too few, too many, or two tiers of one name.
    """

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        if not MIN_TIERS <= len(self.tiers) <= MAX_TIERS:
            raise ValueError(f"a ladder has {MIN_TIERS} to {MAX_TIERS} tiers, not {len(self.tiers)}")
        seen: set[str] = set()
        for tier in self.tiers:
            if tier.name in seen:
                raise ValueError(f"two tiers are named {tier.name!r}")
            seen.add(tier.name)

    def __iter__(self) -> Iterator[Tier]:
        return iter(self.tiers)

    def __len__(self) -> int:
        return len(self.tiers)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Tier:
        return self.tiers[self.index(name)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(tier.name for tier in self.tiers)

    @property
    def top(self) -> Tier:
        return self.tiers[-1]

    def index(self, name: str) -> int:
        """Rung of a tier, 0 is the cheapest. ``KeyError`` names the tiers there are."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(f"Unknown tier {name!r}. Tiers: {list(self.names)}.") from None

    def in_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """The given names in ladder order; names that are not on the ladder are left out."""
        wanted = set(names)
        return tuple(name for name in self.names if name in wanted)
