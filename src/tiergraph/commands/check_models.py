"""The router models and the judge of a configuration, loaded and tried, for ``tiergraph check``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from tiergraph.commands.console import progress, stages

if TYPE_CHECKING:
    from tiergraph.config import RouterConfig, RouterModelConfig
    from tiergraph.proposers.chain import Chain, Link

SECONDS = 60.0
"""Time for one answer while a model is tried: what it knows is asked, not how fast it is."""


@contextmanager
def loaded_chain(settings: RouterConfig) -> Iterator[Chain]:
    """The router models, with the stages of loading on stderr where that is a terminal; closed at the end.

    Raises:
        ModelError: One cannot be loaded, or was refused by its canary or probe.
    """
    from tiergraph import decider
    from tiergraph.proposers.chain import Chain

    with stages() as told, ExitStack() as undo:
        loaded = decider.load_proposer(settings) if told is None else decider.load_proposer(settings, progress=told)
        undo.callback(loaded.close)
        chain = loaded if isinstance(loaded, Chain) else Chain.of(loaded, sufficiency=settings.sufficiency)
        undo.pop_all()
    try:
        yield chain
    finally:
        chain.close()


def entry_of(settings: RouterConfig, chain: Chain, number: int) -> RouterModelConfig | None:
    """What the configuration says of a link, where the chain came from it."""
    entries = settings.router.links
    return entries[number] if len(entries) == len(chain.links) else None


def is_remote(link: Link, entry: RouterModelConfig | None) -> bool:
    """Whether asking it is a call over the network."""
    from tiergraph.endpoints import HOSTED

    return link.proposer.location == "external" or (entry is not None and entry.scheme in HOSTED)


def models_report(settings: RouterConfig, *, sanity: bool, hosted: bool, hidden: bool = False) -> dict[str, Any]:
    """``{"router_models": […], "chain": …, "judge": …, "warnings": […]}``.

    Args:
        sanity: Whether the sanity set is asked.
        hosted: Whether models behind the network are asked too.
        hidden: Show no progress bar.
    """
    with loaded_chain(settings) as chain:
        entries = [entry_of(settings, chain, number) for number in range(len(chain.links))]
        asked = [hosted or not is_remote(link, entry) for link, entry in zip(chain.links, entries, strict=True)]
        models = [_model(link, entry) for link, entry in zip(chain.links, entries, strict=True)]
        warnings = [warning for entry in entries if entry for warning in _gpu_warnings(entry)]
        together = None
        for number, model in enumerate(models):
            if asked[number]:
                _try(chain, number, model, settings, sanity=sanity, hidden=hidden)
            model["asked"] = asked[number]
            warnings += model.pop("warnings", [])
        if len(models) > 1 and sanity and all(asked):
            together = _sanity(chain, "chain", settings, hidden=hidden)
            warnings += [f"The chain: {together['warning']}"] if together["warning"] else []
    judge, said = _judge(settings, hosted=hosted)
    return {"router_models": models, "chain": together, "judge": judge, "warnings": [*warnings, *said]}


def calls(settings: RouterConfig) -> int:
    """Questions that the canary and the sanity set put to one model."""
    from tiergraph.proposers.sanity import load_cases

    return len(load_cases()) + len(settings.ladder.names)


def _model(link: Link, entry: RouterModelConfig | None) -> dict[str, Any]:
    """What is known of a link without asking it."""
    proposer: Any = link.proposer
    memory = getattr(proposer, "memory", None)
    return {
        "name": proposer.name,
        "model": entry.model if entry else None,
        "location": proposer.location,
        "digest": proposer.digest,
        "adapter": entry.adapter if entry else None,
        "gpu_layers": entry.gpu_layers if entry else 0,
        "canary": None,
        "probe": None,
        "memory": None if memory is None else {**memory.as_json(), "text": str(memory)},
        "overlap": None,
        "fitted": None,
        "sanity": None,
    }


def _try(
    chain: Chain, number: int, model: dict[str, Any], settings: RouterConfig, *, sanity: bool, hidden: bool
) -> None:
    """Fill in what asking the link shows."""
    from tiergraph.proposers.sanity import canary

    link, proposer = chain.only(number), chain.links[number].proposer
    warnings = model["warnings"] = []
    for what in ("probe", "overlap", "fitted"):
        model[what], failed = _asked(proposer, what)
        if failed:
            warnings.append(f"{model['name']}: its {what} failed: {failed}")
    failure = canary(link, settings.ladder.names, seconds=SECONDS)
    model["canary"] = "passed" if failure is None else failure
    if failure is not None:
        warnings.append(f"{model['name']}: its canary did not pass: {failure}.")
    if sanity:
        model["sanity"] = _sanity(link, model["name"], settings, hidden=hidden)
        if model["sanity"]["warning"]:
            warnings.append(f"{model['name']}: {model['sanity']['warning']}")


def _sanity(chain: Chain, label: str, settings: RouterConfig, *, hidden: bool) -> dict[str, Any]:
    from tiergraph.proposers.sanity import load_cases, measure

    cases = load_cases()
    with progress(f"sanity: {label}", len(cases), hidden=hidden) as advance:
        found = measure(
            chain,
            settings.ladder.names,
            cases,
            seconds=SECONDS,
            deadline_ms=settings.router.deadline_ms,
            tick=advance,
        )
    return {**found.as_json(), "warning": found.warning, "text": _in_words(found)}


def _in_words(found: Any) -> str:
    shares = (
        ("hard above the cheapest tier", found.hard_above),
        ("easy at the cheapest", found.easy_cheapest),
        ("personal data seen or not, rightly", found.pii),
        ("legal matters", found.legal),
    )
    parts = [", ".join(f"{what} {share}" for what, share in shares if share.n)] if found.auc or found.pii.n else []
    if found.auc_length is not None:
        parts.append(f"AUC of the length alone {found.auc_length:.2f}".replace(" 0.", " ."))
    if found.median_ms is not None:
        parts.append(f"median {found.median_ms:.1f} ms")
    if found.late:
        parts.append(f"{found.late} later than router.deadline_ms")
    if found.failed:
        parts.append("failed: " + ", ".join(f"{code} {count}" for code, count in found.failed.items()))
    return "; ".join(parts)


def _asked(thing: Any, what: str) -> tuple[Any, str | None]:
    """What a method reports, where ``thing`` has it: ``probe`` of a hosted model, ``overlap`` of an embedding router,
    ``fitted`` of a classifier.

    Second, how it failed.
    """
    from tiergraph.errors import TiergraphError

    method = getattr(thing, what, None)
    if not callable(method):
        return None, None
    try:
        return _plain(method()), None
    except TiergraphError as error:
        return None, str(error)


def _judge(settings: RouterConfig, *, hosted: bool) -> tuple[dict[str, Any], list[str]]:
    configured = settings.cascade.judge
    if isinstance(configured, str):
        return {"name": configured, "location": "on_prem", "asked": False, "probe": None}, []
    report: dict[str, Any] = {"name": configured.name, "location": configured.location, "asked": hosted, "probe": None}
    from tiergraph.judges.loading import load_judges

    judges = load_judges(settings)  # a missing key shows here, whether it is asked or not
    failed = None
    try:
        if hosted:
            report["probe"], failed = _asked(judges[0], "probe")
            if failed is None and (report["probe"] or {}).get("outcome") == "unreachable":
                failed = f"unreachable ({report['probe'].get('code')})"
    finally:
        for judge in judges:
            getattr(judge, "close", lambda: None)()
    return report, [f"The judge {configured.name}: its probe failed: {failed}"] if failed else []


def _gpu_warnings(entry: RouterModelConfig) -> list[str]:
    if not entry.gpu_layers:
        return []
    from tiergraph.proposers.native import supports_gpu

    if supports_gpu():
        return []
    layers = "all layers" if entry.gpu_layers < 0 else f"gpu_layers: {entry.gpu_layers}"
    return [f"{entry.model}: {layers} on the GPU, and this llama.cpp has none: the model runs on the CPU."]


def _plain(value: Any) -> Any:
    if hasattr(value, "as_json"):
        return value.as_json()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
