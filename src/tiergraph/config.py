"""``router.yaml`` as frozen models. A digest names each configuration; ``${NAME}`` stays unexpanded in both."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from tiergraph.endpoints import JudgeConfig, Model, ProposerConfig
from tiergraph.errors import ConfigError
from tiergraph.policy import Where
from tiergraph.proposal import INTENTS, REASONS, Proposal
from tiergraph.tiers import Ladder, Location, Modality, Tier

_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

DEFAULT_PII_ENTITIES: tuple[str, ...] = (
    "CREDIT_CARD",
    "CRYPTO",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MEDICAL_LICENSE",
    "PHONE_NUMBER",
    "UK_NHS",
    "UK_NINO",
    "US_BANK_NUMBER",
    "US_DRIVER_LICENSE",
    "US_ITIN",
    "US_PASSPORT",
    "US_SSN",
)


class _At(ValueError):
    """A problem that shows only when parts are seen together, with the path of the part to change."""

    def __init__(self, problem: str, *path: str | int) -> None:
        self.path = path
        super().__init__(problem)


class RuleCondition(Model):
    """When a custom rule fires: every part that is given must hold; within a part one match is enough.

    Attributes:
        metadata: Key to accepted values, such as ``{"plan": ["enterprise"]}``.
        keywords: Whole words or phrases, any case.
        regex: Python regular expressions, any case.
        where: The parts of the request that ``keywords`` and ``regex`` read.
    """

    metadata: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    regex: tuple[str, ...] = ()
    where: tuple[Where, ...] = ("question", "history", "document", "tool_result", "draft")

    @field_validator("regex")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _something(self) -> RuleCondition:
        if not (self.metadata or self.keywords or self.regex):
            raise ValueError("a rule needs metadata, keywords or regex to look for")
        return self


class Rule(Model):
    """A custom rule: an id, a condition and an effect. ``floor``, ``only`` and ``exclude`` name tiers."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    when: RuleCondition
    effect: Literal["floor", "only", "exclude", "human", "refuse"]
    tiers: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_tiers(self) -> Rule:
        if self.effect in ("floor", "only", "exclude") and not self.tiers:
            raise ValueError(f"effect {self.effect!r} needs `tiers`")
        if self.effect == "floor" and len(self.tiers) != 1:
            raise ValueError("effect 'floor' names one tier")
        return self


class PolicyConfig(Model):
    """What policy does with what the screens find.

    Attributes:
        pii: ``on_prem`` keeps only on-prem tiers; ``redact`` lets external tiers see placeholders, where every
            finding has a span; ``human``; ``allow``.
        pii_entities: Presidio entity kinds that count.
        pii_score: Presidio score in [0, 1] from which a match counts.
        legal: ``top`` sets the highest tier as floor; ``human``; ``allow``.
        safety: What safety words do.
        safety_words: Further words and phrases that count as safety words.
        rules: Custom rules.
        min_confidence: In [0, 1]; a decision below it goes where ``below_min_confidence`` says.
        flag_windows: Windows of the router model that may be spent on flags of one request; what remains unread
            counts as found.
    """

    pii: Literal["on_prem", "redact", "human", "allow"] = "on_prem"
    pii_entities: tuple[str, ...] = DEFAULT_PII_ENTITIES
    pii_score: float = Field(default=0.4, ge=0, le=1)
    legal: Literal["top", "human", "allow"] = "top"
    safety: Literal["human", "refuse", "allow"] = "human"
    safety_words: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    below_min_confidence: Literal["next_tier", "human"] = "next_tier"
    flag_windows: int = Field(default=32, ge=0)

    @model_validator(mode="after")
    def _distinct_rules(self) -> PolicyConfig:
        ids = [rule.id for rule in self.rules]
        twice = sorted({id for id in ids if ids.count(id) > 1})
        if twice:
            raise ValueError(f"two rules share the id {twice[0]!r}")
        return self

    def rule(self, id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == id), None)


class RouterModelConfig(ProposerConfig):
    """What decides: one router model, described here, or a ``chain`` of them.

    Attributes:
        chain: Router models in the order in which they are asked. The first that is sure decides; near a boundary the
            next one is asked, and the last one decides in any case. Replaces ``model`` and what belongs to it.
        deadline_ms: Milliseconds for one decision, the whole chain together, > 0; later is a failure and takes the
            fallback.
        contexts: llama.cpp contexts in the pool: decisions that may run at the same time, >= 1.
        threads: Threads of llama.cpp per decision; ``None`` chooses by the model's size.
        cache_size: Entries of the exact-match decision cache; 0 turns it off.
        intents: Closed set of intents.
        reasons: Closed set of reason codes.
        breaker_failures: Failures in a row after which a model is left alone for ``breaker_reset_s`` seconds.
    """

    chain: tuple[ProposerConfig, ...] = ()
    deadline_ms: float = Field(default=2000.0, gt=0)
    contexts: int = Field(default=2, ge=1, le=64)
    threads: int | None = Field(default=None, ge=1)
    cache_size: int = Field(default=4096, ge=0)
    intents: tuple[str, ...] = INTENTS
    reasons: tuple[str, ...] = REASONS
    breaker_failures: int = Field(default=5, ge=1)
    breaker_reset_s: float = Field(default=30.0, gt=0)

    @field_validator("intents", "reasons")
    @classmethod
    def _closed_set(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) < 2 or len(set(values)) != len(values):
            raise ValueError("needs at least two distinct values")
        return values

    @model_validator(mode="after")
    def _one_or_many(self) -> RouterModelConfig:
        beside = sorted(self.model_fields_set & set(ProposerConfig.model_fields))
        if self.chain and beside:
            raise ValueError(f"{beside[0]!r} stands beside `chain`; move it into one of its models")
        return self

    @property
    def links(self) -> tuple[RouterModelConfig, ...]:
        """The router models in order, each as a configuration of its own that shares what is stated once."""
        if not self.chain:
            return (self,)
        own = ProposerConfig.model_fields
        return tuple(
            self.model_copy(update={**{name: getattr(link, name) for name in own}, "chain": ()}) for link in self.chain
        )


class MapRule(Model):
    """One line of ``map:``. Parts that are left out match everything; the first line that matches wins."""

    intent: tuple[str, ...] = ()
    difficulty: tuple[Literal[1, 2, 3], ...] = ()
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    tier: str

    def matches(self, proposal: Proposal, confidence: float) -> bool:
        return (
            (not self.intent or proposal.intent in self.intent)
            and (not self.difficulty or proposal.difficulty in self.difficulty)
            and confidence >= self.min_confidence
        )


class RetrievalConfig(Model):
    """Where documents come from. ``location`` is the retriever's own: an external one never gets PII."""

    location: Location = "on_prem"
    k: int = Field(default=8, ge=1, le=100)
    timeout_s: float = Field(default=20.0, gt=0)


def _named_or_hosted(value: Any) -> str:
    return "named" if isinstance(value, str) else "hosted"


# By its form, so that a mistake in a hosted judge is told of it and not of the names.
_Judge = Annotated[
    Annotated[Literal["evidence", "none"], Tag("named")] | Annotated[JudgeConfig, Tag("hosted")],
    Discriminator(_named_or_hosted),
]


class CascadeConfig(Model):
    """Draft, judge, escalate.

    Attributes:
        judge: ``evidence`` (no model), ``none`` (every draft is accepted), or a hosted judge.
        judge_timeout_s: Seconds that a verdict may take, > 0.
        threshold: Score in [0, 1] of the evidence judge from which a draft is accepted.
        max_hops: Drafts at most; the ladder bounds them anyway.
        retries: Further tries of one tier after a failure that may pass, with backoff.
        backoff_s: Seconds before the first retry; doubles.
        on_exhausted: Who takes it when no draft was accepted.
        on_unavailable: ``message`` says so in the answer; ``raise`` raises, and the thread resumes where it stood.
    """

    judge: _Judge = "evidence"
    judge_timeout_s: float = Field(default=60.0, gt=0)
    threshold: float = Field(default=0.65, ge=0, le=1)
    max_hops: int = Field(default=6, ge=1, le=6)
    retries: int = Field(default=2, ge=0, le=10)
    backoff_s: float = Field(default=0.5, ge=0)
    on_exhausted: Literal["human", "abstain"] = "human"
    on_unavailable: Literal["message", "raise"] = "message"


class BudgetConfig(Model):
    """Per request. ``None`` is no limit. ``answer_tokens`` is what an answer is taken to need."""

    deadline_s: float | None = Field(default=120.0, gt=0)
    max_cost_usd: float | None = Field(default=None, ge=0)
    answer_tokens: int = Field(default=512, ge=1)


class RecordConfig(Model):
    """The salt of the input hash. Without one, each process draws its own and hashes differ between processes."""

    salt: str | None = None


PROFILES: dict[str, float] = {"economy": 0.35, "balanced": 0.5, "quality": 0.75}
"""Profile to the probability of being sufficient that a tier needs to be chosen."""


class RouterConfig(Model):
    """A whole ``router.yaml``.

    Attributes:
        version: Format of the file.
        tiers: The ladder, cheapest first, 2 to 6.
        profile: ``economy``, ``balanced`` or ``quality``: the cheapest allowed tier is chosen that suffices with
            probability .35, .5 or .75; or that probability itself.
        map: Optional readable mapping from labels to tiers.
    """

    version: Literal[1] = 1
    router: RouterModelConfig = RouterModelConfig()
    tiers: tuple[Tier, ...]
    policy: PolicyConfig = PolicyConfig()
    map: tuple[MapRule, ...] = ()
    retrieval: RetrievalConfig = RetrievalConfig()
    cascade: CascadeConfig = CascadeConfig()
    profile: Literal["economy", "balanced", "quality"] | Annotated[float, Field(gt=0, lt=1)] = "balanced"
    budgets: BudgetConfig = BudgetConfig()
    record: RecordConfig = RecordConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> RouterConfig:
        seen: set[str] = set()
        for number, tier in enumerate(self.tiers):
            if tier.name in seen:
                raise _At(f"two tiers are named {tier.name!r}", "tiers", number, "name")
            seen.add(tier.name)
        try:
            names = Ladder(self.tiers).names
        except ValueError as error:
            raise _At(str(error), "tiers") from None
        for number, rule in enumerate(self.policy.rules):
            for tier_name in set(rule.tiers) - seen:
                raise _At(f"unknown tier {tier_name!r}; tiers: {list(names)}", "policy", "rules", number, "tiers")
        for number, line in enumerate(self.map):
            if line.tier not in seen:
                raise _At(f"unknown tier {line.tier!r}; tiers: {list(names)}", "map", number, "tier")
            for intent in set(line.intent) - set(self.router.intents):
                known = list(self.router.intents)
                raise _At(f"unknown intent {intent!r}; intents: {known}", "map", number, "intent")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, without what was derived from the original: its ladder and its digest."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in ("ladder", "digest"):
            copied.__dict__.pop(derived, None)
        return copied

    @cached_property
    def ladder(self) -> Ladder:
        return Ladder(self.tiers)

    @cached_property
    def digest(self) -> str:
        """sha256 over the canonical form: sorted keys, every default written out, ``${NAME}`` unexpanded."""
        return hashlib.sha256(canonical(self).encode()).hexdigest()

    @cached_property
    def folder(self) -> Path:
        """Where the file lies that was loaded, which the paths of heads are relative to; part of no digest."""
        return Path()

    @property
    def sufficiency(self) -> float:
        """Probability of being sufficient that a tier needs to be chosen, in (0, 1)."""
        return self.profile if isinstance(self.profile, float) else PROFILES[self.profile]


def canonical(config: RouterConfig) -> str:
    """The configuration as canonical JSON."""
    return json.dumps(config.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def expand_env(text: str) -> str:
    """``text`` with every ``${NAME}`` replaced by the environment variable. Call where the value is used, never before.

    Raises:
        ConfigError: The variable is not set. The message has its name, never a value.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ConfigError(f"The environment variable {name!r} is not set.", fix=f"export {name}=...")
        return os.environ[name]

    return _ENV.sub(value, text)


def diff(old: RouterConfig, new: RouterConfig) -> dict[str, tuple[Any, Any]]:
    """What changed: dotted path to (old value, new value); ``None`` where a side lacks it."""

    def leaves(value: Any, path: str) -> dict[str, Any]:
        if isinstance(value, dict) and value:
            return {k: v for key, item in value.items() for k, v in leaves(item, f"{path}.{key}".lstrip(".")).items()}
        if isinstance(value, list) and value:
            return {k: v for i, item in enumerate(value) for k, v in leaves(item, f"{path}.{i}").items()}
        return {path: value}

    before, after = leaves(old.model_dump(mode="json"), ""), leaves(new.model_dump(mode="json"), "")
    keys = dict.fromkeys((*before, *after))
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def load_config(path: str | os.PathLike[str]) -> RouterConfig:
    """Read and validate a ``router.yaml``.

    Raises:
        ConfigError: Names file, line and fix.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("There is no such file.", file=str(file), fix="`tiergraph init` writes one.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file cannot be read: {type(error).__name__}.", file=str(file)) from None
    config = parse_config(text, file=str(file))
    config.__dict__["folder"] = file.parent  # a cached property: neither compared nor dumped
    return config


def parse_config(text: str, *, file: str = "router.yaml") -> RouterConfig:
    """The text of a ``router.yaml``, validated. ``file`` is named in errors."""
    import yaml

    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(
            f"The file is not YAML: {problem}.",
            file=file,
            line=mark.line + 1 if mark else None,
            fix="check indentation and quotes there.",
        ) from None
    if not isinstance(data, dict):
        raise ConfigError("The file holds no mapping.", file=file, line=1, fix="`tiergraph init` writes an example.")
    try:
        return RouterConfig.model_validate(data)
    except ValidationError as error:
        raise _config_error(error, tree, file) from None


def _config_error(error: ValidationError, tree: Any, file: str) -> ConfigError:
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    loc = cause.path if isinstance(cause, _At) else first["loc"]
    path = ".".join(str(part) for part in loc if part not in ("named", "hosted")) or "the file"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "extra_forbidden":
        return ConfigError(
            f"{path}: unknown key {loc[-1]!r}.", file=file, line=line_of(tree, loc), fix=_known_keys(loc[:-1])
        )
    if first["type"] == "missing":
        return ConfigError(
            f"{path}: missing.",
            file=file,
            line=line_of(tree, loc[:-1]),
            fix=f"add `{loc[-1]}:`; `tiergraph init` shows how.",
        )
    more = f" ({error.error_count() - 1} more after it)" if error.error_count() > 1 else ""
    got = first.get("input")
    shown = (
        f", not {got!r}"
        if isinstance(got, (str, int, float, bool)) and "${" not in str(got) and len(str(got)) < 60
        else ""
    )
    return ConfigError(
        f"{path}: {message}{shown}{more}.", file=file, line=line_of(tree, loc), fix="correct that value."
    )


def _known_keys(loc: Sequence[int | str]) -> str:
    model: Any = RouterConfig
    for part in loc:
        if isinstance(part, int):
            continue
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        arguments = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), None)
    keys = sorted(getattr(model, "model_fields", {}))
    return f"remove it, or use one of {keys}." if keys else "remove it."


def line_of(tree: Any, loc: Sequence[int | str]) -> int | None:
    """1-based line of the deepest node on the path that is there."""
    import yaml

    node = tree
    line: int | None = node.start_mark.line + 1 if node is not None else None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                continue  # pydantic adds parts that the file has not, such as the arm of a union
            key, node = pair
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


__all__ = [
    "BudgetConfig",
    "CascadeConfig",
    "JudgeConfig",
    "MapRule",
    "Modality",
    "PolicyConfig",
    "ProposerConfig",
    "RouterConfig",
    "RouterModelConfig",
    "Rule",
    "RuleCondition",
    "canonical",
    "diff",
    "expand_env",
    "load_config",
    "parse_config",
]
