"""``tiergraph check``: is this configuration valid, what can be reached, and what can never work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tiergraph.commands.console import facts, listed, new_table, out, plain, write_json

if TYPE_CHECKING:
    from tiergraph.config import PolicyConfig, RouterConfig

EXAMPLE = "Example: tiergraph check router.yaml --against last-week.yaml"

_SECRET = re.compile(
    r"(^|[._-])(api[_-]?key|salt|base[_-]?url|.*token|.*secret|.*password|authorization)$", re.IGNORECASE
)
_ONLY_VARIABLES = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def check(
    path: Annotated[Path, typer.Argument(help="The router.yaml to check.")] = Path("router.yaml"),
    against: Annotated[
        Path | None, typer.Option(help="Another router.yaml: print what changed since.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Validate a router.yaml and say which tiers can be reached.

    The router model is loaded and its canary run. No request is sent. A mistake is one line with
    file, line and fix, and exit code 2.
    """
    from tiergraph.config import load_config

    settings = load_config(path)
    report = _report(settings, path)
    if against is not None:
        report["against"] = _changes(load_config(against), settings)
    if json:
        write_json(report)
    else:
        _show(report)


def _report(settings: RouterConfig, path: Path) -> dict[str, Any]:
    from tiergraph.answering import why_unreachable

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
    return {
        "file": str(path),
        "valid": True,
        "digest": settings.digest,
        "tiers": tiers,
        "policy": _policy(settings.policy),
        "router_model": _router_model(settings),
        "warnings": _warnings(settings, unreachable),
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


def _router_model(settings: RouterConfig) -> dict[str, str]:
    """Load the model, which runs the canary; either failing is a `ModelError`."""
    from tiergraph.decider import load_proposer

    proposer = load_proposer(settings)
    try:
        return {"name": proposer.name, "digest": proposer.digest, "canary": "passed"}
    finally:
        proposer.close()


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
    policy, model = report["policy"], report["router_model"]
    short = f"pii {policy['pii']}, legal {policy['legal']}, safety {policy['safety']}"
    if policy["min_confidence"]:
        short += f", below {policy['min_confidence']:g} confidence {policy['below_min_confidence']}"
    lines = [("policy", short)]
    if policy["rules"]:
        lines.append(("rules", listed(policy["rules"])))
    lines.append(("router", f"{model['name']} loaded, canary {model['canary']}"))
    return lines


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
