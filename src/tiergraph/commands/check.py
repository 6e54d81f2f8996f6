"""``tiergraph check``: is this configuration valid, what can be reached, and what can never work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tiergraph.commands.console import facts, listed, new_table, out, plain, write_json

if TYPE_CHECKING:
    from tiergraph.config import PolicyConfig, RouterConfig

EXAMPLE = "Example: tiergraph check router.yaml --against last-week.yaml"

MOST_PAIRS = 5
"""Pairs of overlapping clusters that are shown to people; --json has all of them."""

_SECRET = re.compile(
    r"(^|[._-])(api[_-]?key|salt|base[_-]?url|.*token|.*secret|.*password|authorization)$", re.IGNORECASE
)
_ONLY_VARIABLES = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def check(
    path: Annotated[Path, typer.Argument(help="The router.yaml to check.")] = Path("router.yaml"),
    against: Annotated[
        Path | None, typer.Option(help="Another router.yaml: print what changed since.", show_default=False)
    ] = None,
    sanity: Annotated[bool, typer.Option(help="Ask the router models a small set of easy and hard requests.")] = True,
    hosted: Annotated[
        bool,
        typer.Option("--hosted", help="Ask the models behind the network too; external ones may cost money."),
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Write what a hosted model's confidence is worth to this JSON file.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help='For --calibrate: JSONL rows {"text", "tier"}, the right tier.', show_default=False),
    ] = None,
    link: Annotated[
        str | None,
        typer.Option(help="For --calibrate: the model, where several are hosted.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="For --calibrate: go ahead with an external model.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Validate a router.yaml, say which tiers can be reached, and try its router models.

    The router models are loaded and their canaries run; those in this process, and with --hosted the others, are asked
    how well they tell easy from hard. No request of yours is sent. A mistake is one line with file, line and fix, and
    exit code 2.
    """
    from tiergraph.config import load_config

    settings = load_config(path)
    if calibrate is not None or data is not None:
        from tiergraph.commands.calibrate import run_calibration

        run_calibration(settings, out=calibrate, data=data, link=link, yes=yes, as_json=json)
        return
    report = _report(settings, path, sanity=sanity, hosted=hosted)
    if against is not None:
        report["against"] = _changes(load_config(against), settings)
    if json:
        write_json(report)
    else:
        _show(report)


def _report(settings: RouterConfig, path: Path, *, sanity: bool, hosted: bool) -> dict[str, Any]:
    from tiergraph.answering import why_unreachable
    from tiergraph.commands.check_models import models_report

    tiers: list[dict[str, Any]] = [
        {
            "name": tier.name,
            "model": tier.model,
            "location": tier.location,
            "price": tier.price.model_dump(),
            "context_window": tier.context_window,
            "modalities": list(tier.modalities),
            "reachable": (why := why_unreachable(tier)) is None,
            "why_not": why,
        }
        for tier in settings.tiers
    ]
    unreachable = {tier["name"] for tier in tiers if not tier["reachable"]}
    models = models_report(settings, sanity=sanity, hosted=hosted)
    return {
        "file": str(path),
        "valid": True,
        "digest": settings.digest,
        "tiers": tiers,
        "policy": _policy(settings.policy),
        **models,
        "warnings": [*_warnings(settings, unreachable), *models["warnings"]],
    }


def _policy(policy: PolicyConfig) -> dict[str, Any]:
    return {
        "pii": policy.pii,
        "legal": policy.legal,
        "safety": policy.safety,
        "rules": [f"{rule.id}: {' '.join((rule.effect, *rule.tiers))}" for rule in policy.rules],
        "min_confidence": policy.min_confidence,
        "below_min_confidence": policy.below_min_confidence,
    }


def _warnings(settings: RouterConfig, unreachable: set[str]) -> list[str]:
    """What is valid and still cannot work, each with what happens instead."""
    policy, ladder = settings.policy, settings.ladder
    reachable = [tier for tier in ladder if tier.name not in unreachable]
    found = []
    if not reachable:
        found.append("No tier can be reached: every request goes to a person.")
    elif policy.pii in ("on_prem", "redact") and not any(tier.location == "on_prem" for tier in reachable):
        found.append(f"pii: {policy.pii}, and no on-prem tier can be reached: requests with PII go to a person.")
    if policy.legal == "top" and ladder.top.name in unreachable:
        found.append(f"legal: top, and {ladder.top.name!r} cannot be reached: legal requests go to a person.")
    for rule in policy.rules:
        if rule.effect in ("only", "floor") and set(rule.tiers) <= unreachable:
            found.append(f"Rule {rule.id!r} leaves only tiers that cannot be reached: its requests go to a person.")
        if rule.effect == "exclude" and set(ladder.names) <= set(rule.tiers):
            found.append(f"Rule {rule.id!r} excludes every tier: its requests go to a person.")
    if settings.retrieval.location == "external" and policy.pii != "allow":
        found.append("retrieval: external: requests with PII are answered without documents.")
    if settings.cascade.judge == "none":
        found.append("cascade.judge: none: every draft is accepted, so nothing escalates on quality.")
    named = [tier.name for tier in ladder if _written_out(tier.api_key)]
    found += [f"tiers.{name}: the key is written out. Use ${{NAME}}." for name in named]
    if _written_out(settings.record.salt):
        found.append("record.salt is written out. Use ${NAME}.")
    return found


def _written_out(secret: str | None) -> bool:
    return bool(secret) and _ONLY_VARIABLES.fullmatch(secret or "") is None


def _changes(old: RouterConfig, new: RouterConfig) -> dict[str, Any]:
    """What changed: path to the old and the new value, secrets left out."""
    from tiergraph.config import diff

    changes = {
        key: {"old": _shown(key, before), "new": _shown(key, after)} for key, (before, after) in diff(old, new).items()
    }
    return {"digest": old.digest, "changes": changes}


def _shown(path: str, value: Any) -> Any:
    if isinstance(value, str) and _SECRET.search(path) and not _ONLY_VARIABLES.fullmatch(value):
        return "(not shown)"
    return value


def _show(report: dict[str, Any]) -> None:
    """The report for people, at 80 columns."""
    console = out()
    console.print(f"{plain(report['file'])}: valid, digest {report['digest'][:12]}", markup=False, soft_wrap=True)
    console.print()
    console.print(_ladder_table(report["tiers"]))
    console.print()
    console.print(facts(_facts(report)))
    if report["warnings"]:
        console.print()
        console.print(facts((("warning", warning) for warning in report["warnings"]), style="yellow"))
    if "against" in report:
        _show_changes(report["against"])


def _ladder_table(tiers: list[dict[str, Any]]) -> Any:
    table = new_table("tier", "model", "location", "$/M in, out", "window", "reachable")
    for column in table.columns:
        column.overflow = "fold"
    table.columns[2].no_wrap = table.columns[3].no_wrap = table.columns[4].no_wrap = True
    for tier in tiers:
        price = f"{tier['price']['input']:g}, {tier['price']['output']:g}"
        reachable = "yes" if tier["reachable"] else f"no: {tier['why_not']}"
        cells = (tier["name"], tier["model"], tier["location"], price, f"{tier['context_window']}", reachable)
        table.add_row(*(escape(plain(cell)) for cell in cells))
    return table


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    policy = report["policy"]
    short = f"pii {policy['pii']}, legal {policy['legal']}, safety {policy['safety']}"
    if policy["min_confidence"]:
        short += f", below {policy['min_confidence']:g} confidence {policy['below_min_confidence']}"
    lines = [("policy", short)]
    if policy["rules"]:
        lines.append(("rules", listed(policy["rules"])))
    for model in report["router_models"]:
        lines += _model_facts(model)
    if report["chain"]:
        lines += [("chain", report["chain"]["verdict"]), ("", report["chain"]["text"])]
    judge = report["judge"]
    if judge["location"] is not None and judge["name"] not in ("evidence", "none"):
        lines.append(("judge", f"{judge['name']}, {judge['location']}{_probed(judge)}"))
    return lines


def _model_facts(model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    canary = f", canary {model['canary']}" if model["canary"] else ""
    loaded = " loaded" if model["memory"] else ""
    yield "router", f"{model['name']}{loaded}, {model['location']}{canary}{_probed(model)}"
    if model["memory"]:
        yield "memory", model["memory"]["text"]
    if model["overlap"]:
        yield "overlap", _overlap(model["overlap"])
    if model["fitted"]:
        yield "fitted", _fitted(model["fitted"])
    if model["sanity"]:
        yield "sanity", model["sanity"]["verdict"]
        yield "", model["sanity"]["text"]
    elif not model["asked"]:
        yield (
            "sanity",
            "not asked but for a few calls that prove its mode. --hosted asks it, which may cost money.",
        )


def _overlap(found: dict[str, Any]) -> str:
    """Pairs of clusters whose examples lie in each other, and clusters that no threshold separates."""
    pairs = [
        f"{first} and {second} {pair['share']:.0%}{' (same route)' if pair['same_route'] else ''}"
        for pair in found["pairs"]
        for first, second in [pair["clusters"]]
    ]
    more = [f"{len(pairs) - MOST_PAIRS} more pairs"] if len(pairs) > MOST_PAIRS else []
    text = f"of {found['examples']} examples: {listed([*pairs[:MOST_PAIRS], *more])}"
    loose = [f"{each['cluster']} (accuracy {each['accuracy']:.2f})" for each in found["unseparated"]]
    return f"{text}; no threshold separates {listed(loose)}" if loose else text


def _fitted(found: dict[str, Any]) -> str:
    """Fields of a classifier, how good each is on rows it did not see, and who reads the flags."""
    fields = []
    for name, figures in found["fields"].items():
        judged = figures["cross_fitted"]
        fields.append(
            f"{name} {judged['accuracy']:.2f} of {judged['n']} (base rate {judged['accuracy_of_base_rate']:.2f})"
        )
    flags = "by the classifier" if found["reads_flags"] else "by the embedded model"
    return f"accuracy, cross-validated: {', '.join(fields)}; flags are read {flags}"


def _probed(thing: dict[str, Any]) -> str:
    """What a probe found, part by part."""
    return f", probe: {_parts(thing['probe'])}" if thing["probe"] else ""


def _parts(value: Any) -> str:
    """A nested report in words; empty parts are left out."""
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {_parts(part)}" for key, part in value.items() if part not in (None, "", {}, []))


def _show_changes(against: dict[str, Any]) -> None:
    console = out()
    console.print()
    if not against["changes"]:
        console.print("No change.")
        return
    table = new_table("changed", "old", "new")
    for column in table.columns:
        column.overflow = "fold"
    for path, values in against["changes"].items():
        cells = (path, str(values["old"]), str(values["new"]))
        table.add_row(*(escape(plain(cell)) for cell in cells))
    console.print(table)
