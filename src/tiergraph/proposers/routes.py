"""A routes file: the YAML of an embedding router, validated against the ladder and the closed sets.

Paths that the file names are relative to its folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError, field_validator, model_validator

from tiergraph.config import line_of
from tiergraph.embeddings import EmbeddingsConfig
from tiergraph.endpoints import Model
from tiergraph.errors import ConfigError
from tiergraph.proposers.reading import Labels
from tiergraph.tiers import Ladder

MAX_EXAMPLES = 20_000
MAX_CLUSTERS = 1_000
MAX_EXAMPLE_CHARACTERS = 20_000

Difficulty = Literal[1, 2, 3]


class RouteLabels(Model):
    """Where a request goes and what is said of it.

    Attributes:
        tier: Name of a tier.
        intent: One of ``router.intents``; ``other`` where left out.
        difficulty: 1, 2 or 3.
        needs_retrieval: Whether the answer needs documents.
        reason: One of ``router.reasons``; ``unclear`` where left out.
    """

    tier: str | None = None
    intent: str | None = None
    difficulty: Difficulty = 2
    needs_retrieval: bool = True
    reason: str | None = None


class ClusterConfig(RouteLabels):
    """Example utterances that belong together. Names a tier, an intent, or both.

    Attributes:
        name: Unique in the file, 1 to 80 characters without control characters.
        examples: Utterances, as people write them.
        examples_file: Text file with further ones, one a line.
        threshold: Similarity in [-1, 1] from which a request is near; ``None`` fits it from the examples.
    """

    name: str = Field(min_length=1, max_length=80)
    examples: tuple[str, ...] = ()
    examples_file: str | None = None
    threshold: float | None = Field(default=None, ge=-1, le=1)

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name != name.strip() or not name.isprintable():
            raise ValueError("a cluster name has no control characters and no space at its ends")
        return name

    @model_validator(mode="after")
    def _leads_somewhere(self) -> ClusterConfig:
        if self.tier is None and self.intent is None:
            raise ValueError(f"cluster {self.name!r} names neither a tier nor an intent")
        return self


class RoutesConfig(Model):
    """A whole routes file.

    Attributes:
        version: Format of the file.
        embeddings: The embedding model.
        k: Nearest examples that vote, 1 to 100.
        margin: In [0, 1): how much more probable the best cluster has to be than the best one that leads elsewhere.
        outside: In (0, 1): share of the requests that are expected to belong to no cluster.
        clusters: At least one.
        tiers: Intent to tier, for clusters that name an intent only.
        otherwise: Where a request goes that no cluster is near; the highest tier where left out.
        cache: ``.npz`` that keeps the examples' vectors between starts, by digest of model and text.
    """

    version: Literal[1] = 1
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    k: int = Field(default=5, ge=1, le=100)
    margin: float = Field(default=0.1, ge=0, lt=1)
    outside: float = Field(default=0.1, gt=0, lt=1)
    clusters: tuple[ClusterConfig, ...] = Field(min_length=1, max_length=MAX_CLUSTERS)
    tiers: dict[str, str] = Field(default_factory=dict)
    otherwise: RouteLabels = RouteLabels()
    cache: str | None = None


class Route(NamedTuple):
    """Where a cluster leads: the tier and the labels. Clusters of equal routes are one for the vote's outcome."""

    tier: str
    labels: Labels


class Cluster(NamedTuple):
    """A cluster, resolved. ``texts`` are distinct and not empty; ``threshold`` as stated, or ``None``."""

    name: str
    route: Route
    texts: tuple[str, ...]
    threshold: float | None = None


class Routes(NamedTuple):
    """A routes file, read and checked."""

    config: RoutesConfig
    clusters: tuple[Cluster, ...]
    otherwise: Route
    file: Path


class Sets(NamedTuple):
    """What a routes file may name."""

    ladder: Ladder
    intents: tuple[str, ...]
    reasons: tuple[str, ...]


class _Wrong(Exception):
    """A problem at a path of the file."""

    def __init__(self, problem: str, fix: str, *path: str | int) -> None:
        self.problem, self.fix, self.path = problem, fix, path
        super().__init__(problem)


def load_routes(path: str | Path, sets: Sets) -> Routes:
    """Read and check a routes file, and the example files that it names.

    Raises:
        ConfigError: Names file, line where known, and fix.
    """
    import yaml

    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigError(
            f"router.model: there is no file {str(path)!r}.", fix="correct the path after 'embedding:'."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file cannot be read: {type(error).__name__}.", file=str(file)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(
            f"The file is not YAML: {getattr(error, 'problem', None) or 'not YAML'}.",
            file=str(file),
            line=mark.line + 1 if mark else None,
            fix="check indentation and quotes there.",
        ) from None
    if not isinstance(data, dict):
        raise ConfigError("The file holds no mapping.", file=str(file), line=1, fix="begin with `clusters:`.")
    try:
        return _resolve(RoutesConfig.model_validate(data), file, sets)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        loc = first["loc"]
        path_text = ".".join(str(part) for part in loc) or "the file"
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ConfigError(
            f"{path_text}: {message}.", file=str(file), line=line_of(tree, loc), fix=_fix(first["type"])
        ) from None
    except _Wrong as wrong:
        raise ConfigError(wrong.problem, file=str(file), line=line_of(tree, wrong.path), fix=wrong.fix) from None


def _fix(kind: str) -> str:
    return {"extra_forbidden": "remove that key, or correct its name.", "missing": "add that key."}.get(
        kind, "correct that value."
    )


def _resolve(config: RoutesConfig, file: Path, sets: Sets) -> Routes:
    for intent, tier in config.tiers.items():
        _known("tier", tier, sets.ladder.names, "tiers", intent)
        _known("intent", intent, sets.intents, "tiers", intent)
    top = sets.ladder.top.name
    given = config.otherwise.tier
    otherwise = resolve_route(config.otherwise, config.tiers, given or top, sets, "otherwise")
    seen: set[str] = set()
    clusters = []
    for number, cluster in enumerate(config.clusters):
        where = ("clusters", number)
        if cluster.name in seen:
            raise _Wrong(f"Two clusters are named {cluster.name!r}.", "rename one of them.", *where, "name")
        seen.add(cluster.name)
        route = resolve_route(cluster, config.tiers, otherwise.tier, sets, *where)
        texts = _distinct((*cluster.examples, *_lines(cluster, file.parent, where)), cluster.name, where)
        clusters.append(Cluster(cluster.name, route, texts, cluster.threshold))
    total = sum(len(cluster.texts) for cluster in clusters)
    if total > MAX_EXAMPLES:
        raise _Wrong(f"The clusters hold {total} examples.", f"keep at most {MAX_EXAMPLES}.", "clusters")
    return Routes(config, tuple(clusters), otherwise, file)


def resolve_route(labels: RouteLabels, tiers: Mapping[str, str], default: str, sets: Sets, *where: str | int) -> Route:
    """The tier and the labels, each in its closed set: its own tier, else its intent's, else ``default``.

    Raises:
        _Wrong: An unknown tier, intent or reason.
    """
    if labels.tier is not None:
        _known("tier", labels.tier, sets.ladder.names, *where, "tier")
    intent = labels.intent or _usual("other", sets.intents)
    reason = labels.reason or _usual("unclear", sets.reasons)
    _known("intent", intent, sets.intents, *where, "intent")
    _known("reason", reason, sets.reasons, *where, "reason")
    tier = labels.tier or tiers.get(labels.intent or "") or default
    return Route(tier, Labels(labels.difficulty, intent, labels.needs_retrieval, reason))


def _usual(value: str, values: Sequence[str]) -> str:
    return value if value in values else values[-1]


def _known(what: str, value: str, known: Sequence[str], *where: str | int) -> None:
    if value not in known:
        raise _Wrong(f"Unknown {what} {value!r}.", f"use one of {list(known)}.", *where)


def _lines(cluster: ClusterConfig, folder: Path, where: tuple[str | int, ...]) -> list[str]:
    if cluster.examples_file is None:
        return []
    try:
        return (folder / cluster.examples_file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _Wrong(
            f"The examples file {cluster.examples_file!r} cannot be read: {type(error).__name__}.",
            "correct its path, which is relative to this file, or write it in UTF-8.",
            *where,
            "examples_file",
        ) from None


def _distinct(texts: Sequence[str], name: str, where: tuple[str | int, ...]) -> tuple[str, ...]:
    found = distinct(texts)
    if not found:
        raise _Wrong(f"Cluster {name!r} has no example.", "add `examples:` or `examples_file:`.", *where)
    if any(len(text) > MAX_EXAMPLE_CHARACTERS for text in found):
        raise _Wrong(
            f"Cluster {name!r} has an example of more than {MAX_EXAMPLE_CHARACTERS} characters.",
            "shorten it to what people write.",
            *where,
        )
    return found


def distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Without space at their ends, empty ones and repetitions."""
    return tuple(dict.fromkeys(stripped for text in texts if (stripped := text.strip())))


def as_config_error(error: Exception) -> ConfigError:
    """What `resolve_route` raises, for clusters that come from code and no file."""
    fix = error.fix if isinstance(error, _Wrong) else ""
    return ConfigError(str(error), fix=fix)
