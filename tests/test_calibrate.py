"""``tiergraph check --calibrate``: what a hosted model's confidence is worth, on rows whose right tier is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loopback import ModelServer, routed
from test_engine import ladder_of
from typer.testing import CliRunner, Result

from tiergraph.cli import app
from tiergraph.config import RouterConfig, load_config
from tiergraph.decider import create_decider
from tiergraph.errors import ProposerUnavailableError
from tiergraph.proposers.chain import Chain, Link
from tiergraph.proposers.confidence import ConfidenceMap
from tiergraph.proposers.hosted import Guess
from tiergraph.testing import ScriptedProposer

LADDER = ladder_of("small", "large")
EXTERNAL = "router: {model: 'openai:big', location: external}\n"
ON_PREM = "router: {model: 'openai:near', location: on_prem, reasks: 2, calibration: old.json}\n"


class Stating(ScriptedProposer):
    """Says ``small`` with .9, and with .6 to a text that has an odd number."""

    calibrated_as = "stating"

    def __init__(self, source: str = "stated", fails: str = "never", **options: Any) -> None:
        super().__init__(LADDER, tier="small", **options)
        self.source, self.refuses = source, fails

    def guess(self, text: str, *, deadline: float) -> Guess:
        if self.refuses in text:
            raise ProposerUnavailableError("scripted")
        self.asked.append(text)
        return Guess("small", 0.6 if int(text.split()[1]) % 2 else 0.9, self.source)


@pytest.fixture
def calibrate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """``tiergraph check --calibrate out.json --data rows.jsonl`` with a scripted model in place of the hosted one."""
    monkeypatch.chdir(tmp_path)
    tiers = "".join(f"  - {{name: {name}, model: quote, location: on_prem}}\n" for name in LADDER.names)

    def run(proposer: Any, rows: list[Any], *options: str, router: str = ON_PREM) -> Result:
        def load_chain(config: RouterConfig, **_: Any) -> Chain:
            assert config.router.calibration is None
            assert config.router.chain == ()
            return Chain([Link(proposer=proposer)], reader=ScriptedProposer(LADDER), sufficiency=0.5)

        monkeypatch.setattr("tiergraph.proposers.linking.load_chain", load_chain)
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        Path("rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
        Path("router.yaml").write_text(f"tiers:\n{tiers}{router}", encoding="utf-8")
        return CliRunner().invoke(app, ["check", "--calibrate", "out.json", "--data", "rows.jsonl", *options])

    return run


def rows(count: int = 40, **more: Any) -> list[Any]:
    """Every even number is right, of the odd ones a half."""
    return [{"text": f"number {i} of them", "tier": "large" if i % 4 == 1 else "small", **more} for i in range(count)]


def refused(result: Result) -> str:
    """What a user's mistake says; nothing came out on stdout."""
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr


@pytest.mark.parametrize("source", ["stated", "tokens"])
def test_it_writes_what_each_confidence_was_worth(calibrate, source):
    result = calibrate(Stating(source), rows(), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["answered"], report["right"], report["confidence_from"]) == (40, 30, source)
    assert report["mean_stated"] == pytest.approx(0.75)
    fitted = ConfidenceMap.load("out.json")
    assert (fitted.rows, fitted.source, fitted.model) == (40, source, "stating")
    assert fitted(0.9) > 0.9
    assert fitted(0.6) == pytest.approx(0.5, abs=0.1)
    assert "40 calls to near (on_prem), at most 120 with re-asks." in result.stderr


def test_for_people_it_says_what_to_do_next(calibrate):
    shown = " ".join(calibrate(Stating(), rows()).stdout.split())
    assert "40 of 40 answered, 0 withheld by policy" in shown
    assert "name it as `calibration` of this model in router.yaml" in shown
    assert "number" not in shown


def test_an_external_model_is_asked_only_with_yes_and_the_price_is_said_before(calibrate):
    model = Stating(location="external")
    result = calibrate(model, rows(), router=EXTERNAL)
    assert "40 calls to it, at most 80 with re-asks, may cost money. Add --yes" in refused(result)
    assert model.asked == []
    assert calibrate(model, rows(), "--yes", router=EXTERNAL).exit_code == 0
    assert len(model.asked) == 40


def test_what_policy_keeps_inside_is_not_sent_to_an_external_model(calibrate):
    model = Stating(location="external")
    private = {"text": "number 2 is a.person@example.org", "tier": "small"}
    result = calibrate(model, [*rows(), private], "--yes", "--json", router=EXTERNAL)
    assert json.loads(result.stdout)["withheld"] == 1
    assert not any("example.org" in text for text in model.asked)
    near = Stating()
    assert json.loads(calibrate(near, [*rows(), private], "--json").stdout)["withheld"] == 0
    assert any("example.org" in text for text in near.asked)


def test_rows_that_fail_are_counted_and_too_few_answers_write_nothing(calibrate, tmp_path):
    report = json.loads(calibrate(Stating(fails="number 7 "), rows(), "--json").stdout)
    assert (report["answered"], report["failed"]) == (39, {"proposer_unavailable": 1})
    (tmp_path / "out.json").unlink()
    result = calibrate(Stating(fails="number"), rows())
    assert "answered 0 of 40 rows" in refused(result)
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("{", "rows.jsonl:41: not JSON"),
        ({"text": " ", "tier": "small"}, "rows.jsonl:41: no 'text'"),
        ({"tier": "small"}, "rows.jsonl:41: no 'text'"),
        ({"text": "secret", "tier": "huge"}, "rows.jsonl:41: its 'tier' is none of ['small', 'large']"),
        ([1], "rows.jsonl:41: no 'text'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line_and_never_quoted(calibrate, bad, problem):
    model = Stating()
    said = refused(calibrate(model, [*rows(), bad]))
    assert problem in said
    assert "secret" not in said
    assert model.asked == []


@pytest.mark.parametrize(
    ("router", "options", "problem"),
    [
        ("", (), "router.yaml has none"),
        (
            "router: {chain: [{model: 'openai:a', location: on_prem}, {model: 'ollama:b', location: on_prem}]}\n",
            (),
            "Say --link with one of ['a', 'b']",
        ),
        (
            "router: {chain: [{model: 'openai:a', location: on_prem}, {model: 'ollama:b', location: on_prem}]}\n",
            ("--link", "c"),
            "Say --link with one of ['a', 'b']",
        ),
    ],
)
def test_which_model_is_meant_has_to_be_clear(calibrate, router, options, problem):
    assert problem in refused(calibrate(Stating(), rows(), *options, router=router))


def test_one_of_several_can_be_named(calibrate):
    router = "router: {chain: [{model: 'openai:a', location: on_prem}, {model: 'ollama:b', location: on_prem}]}\n"
    result = calibrate(Stating(), rows(), "--link", "b", "--json", router=router)
    assert json.loads(result.stdout)["model"] == "b"


def test_too_few_rows_are_refused_and_too_many_are_cut(calibrate, monkeypatch):
    assert "29 rows are too few" in refused(calibrate(Stating(), rows(29)))
    monkeypatch.setattr("tiergraph.commands.calibrate.MOST", 35)
    assert json.loads(calibrate(Stating(), rows(), "--json").stdout)["rows"] == 35


def test_both_options_are_needed(calibrate, tmp_path):
    calibrate(Stating(), rows())
    for option in (("--data", "rows.jsonl"), ("--calibrate", "out.json")):
        assert "go together" in refused(CliRunner().invoke(app, ["check", *option]))


@pytest.mark.loopback
@pytest.mark.parametrize(("wire", "path"), [("openai", "/v1"), ("ollama", "")])
def test_over_the_wire_what_it_writes_is_what_the_router_then_reads(monkeypatch, tmp_path, wire, path):
    monkeypatch.chdir(tmp_path)
    tiers = "".join(f"  - {{name: {name}, model: quote, location: on_prem}}\n" for name in LADDER.names)
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows())), encoding="utf-8")
    with ModelServer(reply=routed) as server:
        router = f"model: '{wire}:m', location: on_prem, base_url: '{server.url}{path}', reasks: 0"
        Path("router.yaml").write_text(f"tiers:\n{tiers}router: {{{router}}}\n", encoding="utf-8")
        result = CliRunner().invoke(app, ["check", "--calibrate", "out.json", "--data", "rows.jsonl", "--json"])
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert (report["answered"], report["right"], report["mean_stated"]) == (40, 30, 0.8)
        Path("router.yaml").write_text(
            f"tiers:\n{tiers}router: {{{router}, calibration: out.json}}\n", encoding="utf-8"
        )
        with create_decider(load_config("router.yaml")) as decider:
            decision = decider.decide("number 3 of them")
        checked = CliRunner().invoke(app, ["check", "--hosted", "--json"])
        assert checked.exit_code == 0, checked.output
    assert (decision.tier, decision.confidence) == ("small", pytest.approx(0.75, abs=0.01))
    model = json.loads(checked.stdout)["router_models"][0]
    assert (model["probe"]["outcome"], model["canary"], model["sanity"]["auc"]["n"]) == ("proved", "passed", 48)
