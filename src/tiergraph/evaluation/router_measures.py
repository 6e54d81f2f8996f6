"""Everything that the embedded router has to show, one measure after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from tiergraph.errors import ConfigError, InputError, MissingExtraError, ModelError
from tiergraph.evaluation.router_rows import Measured, Row
from tiergraph.evaluation.router_trial import Trial

FORMAT = 1
"""Of the JSON of `as_json`."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line, or several that belong together, of what the router must show.

    Attributes:
        name: As of ``--only``.
        title: One line for people.
        suites: Names of the suites whose files it reads.
        run: Its rows.
    """

    name: str
    title: str
    suites: tuple[str, ...]
    run: Callable[[Trial], tuple[Row, ...]]


def _run(module: str, function: str, trial: Trial) -> tuple[Row, ...]:
    rows: tuple[Row, ...] = getattr(import_module(f"tiergraph.evaluation.{module}"), function)(trial)
    return rows


def _measure(name: str, title: str, suites: tuple[str, ...], module: str, function: str) -> Measure:
    return Measure(name=name, title=title, suites=suites, run=partial(_run, module, function))


_BOTH = ("llmrouter", "mmlu_pro")
MEASURES: tuple[Measure, ...] = (
    _measure("speed", "Size and speed", (), "router_speed", "speed"),
    _measure("llmrouter-untuned", "LLMRouter untuned, APGR", _BOTH, "router_untuned", "llmrouter_untuned"),
    _measure("llmrouter-tuned", "LLMRouter tuned, 5-fold, APGR", _BOTH, "router_tuned", "llmrouter_tuned"),
    _measure("share", "Strong share for 97 % of strong", _BOTH, "router_share", "shares"),
    _measure("mmlu-pro-tuned", "MMLU-Pro tuned, 5-fold, APGR", ("mmlu_pro",), "router_tuned", "mmlu_pro_tuned"),
    _measure(
        "routellm",
        "RouteLLM untuned, APGR",
        ("routellm-mmlu", "routellm-gsm8k", "llmrouter"),
        "router_untuned",
        "routellm_untuned",
    ),
    _measure("intents", "CLINC's intents, tuned", ("intents",), "router_intents", "intents"),
    _measure("pii", "Personal data, patterns and model", ("pii",), "router_pii", "pii"),
    _measure("legal", "Legal, patterns and model", ("legal",), "router_legal", "legal"),
    _measure("calibration", "Probability that a tier suffices", _BOTH, "router_truth", "truth"),
    _measure("injection", "Injected instructions", ("injection",), "router_injection", "injection"),
)


def chosen(names: Sequence[str]) -> tuple[Measure, ...]:
    """The measures of some names, in their own order; all of them without a name.

    Raises:
        InputError: There is none of a name.
    """
    known = [measure.name for measure in MEASURES]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.4)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"There is no measure {name!r}.{guess} Measures: {', '.join(known)}.", code="no_measure")
    return tuple(measure for measure in MEASURES if not names or measure.name in names)


def check_data(measures: Sequence[Measure], trial: Trial) -> None:
    """Raise `InputError`, of one line, where a file that one of them reads is missing: before the work."""
    trial.need(*(name for measure in measures for name in measure.suites))


def measured(
    measures: Sequence[Measure], trial: Trial, *, step: Callable[[Measure], None] = lambda _: None
) -> list[Measured]:
    """Each measure's figures. ``step``: told of each before it begins.

    A measure that cannot be had says why, by the message of an `InputError`, else by the class of what went wrong, for
    a message may repeat a request; the others go on.

    Raises:
        ConfigError, MissingExtraError, ModelError: What no measure can do without.
    """
    found = []
    for measure in measures:
        step(measure)
        began = time.perf_counter()
        rows: tuple[Row, ...] = ()
        missing = ""
        try:
            rows = measure.run(trial)
        except InputError as error:
            missing = str(error)
        except (ConfigError, MissingExtraError, ModelError):
            raise
        except Exception as error:  # the other measures are not lost for it
            missing = f"It failed with {type(error).__name__}."
        seconds = time.perf_counter() - began
        found.append(Measured(name=measure.name, title=measure.title, rows=rows, seconds=seconds, missing=missing))
    return found


def as_json(found: Sequence[Measured], trial: Trial) -> dict[str, Any]:
    """The whole report. No text of a request is in it."""
    from importlib.metadata import version

    verdicts = [row.verdict for each in found for row in each.rows if row.verdict]
    return {
        "format": FORMAT,
        "package": version("tiergraph"),
        "model": {
            "name": "embedded" if trial.asking.model == "embedded" else "file",
            "sha256": trial.manifest.get("gguf_sha256"),
            "parameters": trial.manifest.get("parameters"),
        },
        "config_digest": trial.asking.config.digest,
        "sample": trial.sample,
        "resamples": trial.count,
        "seed": trial.seed,
        "verdicts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "measures": [each.as_json() for each in found],
    }
