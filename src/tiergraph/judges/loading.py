"""From ``cascade.judge`` in router.yaml to judges in order of preference."""

from __future__ import annotations

from typing import Any

from tiergraph.config import RouterConfig
from tiergraph.endpoints import HOSTED, JudgeConfig
from tiergraph.errors import ConfigError
from tiergraph.judges.base import Judge
from tiergraph.judges.evidence import EvidenceJudge
from tiergraph.references import build

_WHERE = "cascade.judge"


def load_judges(config: RouterConfig, judge: Judge | None = None) -> tuple[Judge, ...]:
    """The judges of a configuration; the evidence judge comes last, for drafts that those before it may not see.

    ``judge``: in place of the configured one. With ``judge: none`` nobody is asked, whoever is here. Judges live as
    long as who asks them: one that has a ``close`` may be closed then.

    Raises:
        ConfigError: A reference or an environment variable that cannot be used.
        MissingExtraError: A package is missing.
    """
    configured = config.cascade.judge
    first = judge
    if first is None and isinstance(configured, JudgeConfig):
        first = _load(configured)
    return (EvidenceJudge(),) if first is None else (first, EvidenceJudge())


def probe_judges(judges: tuple[Judge, ...]) -> None:
    """The check at start-up of every judge that has one. A server that cannot be reached now is tried when it is asked.

    Raises:
        ModelError: One is not to be trusted; names the fix.
    """
    from tiergraph.judges.hosted import HostedJudge

    for judge in judges:
        if isinstance(judge, HostedJudge):
            judge.probe()


def _load(config: JudgeConfig) -> Judge:
    if config.scheme in HOSTED:
        from tiergraph.judges.hosted import HostedJudge

        return HostedJudge.load(config)
    return _python(config)


def _python(config: JudgeConfig) -> Judge:
    """The judge that a reference names, or what it makes when called with ``params``."""
    found: Any = build(config.model, _WHERE, params=config.params, ready=lambda found: hasattr(found, "judge"))
    if not isinstance(found, Judge):
        raise ConfigError(
            f"{_WHERE}: {config.model!r} is a {type(found).__name__}, which is no judge.",
            fix="point it at an object with name, location, digest, judge and ajudge, or at what makes one.",
        )
    if found.location != config.location:
        raise ConfigError(
            f"{_WHERE}: the configuration says {config.location!r}, and the judge itself {found.location!r}.",
            fix="state the place that what it is given really goes to, in both.",
        )
    return found
