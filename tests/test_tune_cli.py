"""``tiergraph tune``: rows in, a head and a configuration out, and a report that a user can act on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tiergraph.cli import app
from tiergraph.config import load_config
from tiergraph.evaluation.reading import read_rows
from tiergraph.proposers.linking import load_chain
from tiergraph.tuning.points import parse_target
from tiergraph.tuning.running import Source, tune_ladder

Cli = Callable[..., Result]

EASY = ["where is my parcel", "what time do you open", "reset my password", "track order", "change my address"]
HARD = ["prove the theorem", "derive the integral", "refute the conjecture", "optimise the proof", "show the lemma"]


def config_text(*, tiers: tuple[str, ...] = ("small", "big"), priced: bool = True, more: str = "") -> str:
    prices = {tiers[0]: ", price: {input: 1, output: 1}", tiers[-1]: ", price: {input: 10, output: 10}"}
    lines = [f"  - {{name: {t}, model: quote, location: on_prem{prices.get(t, '') if priced else ''}}}" for t in tiers]
    return "# mine\nprofile: balanced  # how sure\ntiers:\n" + "\n".join(lines) + "\n" + more


def row(number: int, *, hard: bool, tiers: tuple[str, ...] = ("small", "big"), rng: random.Random) -> dict[str, Any]:
    """The cheapest tier fails on hard requests, and one time in ten at random."""
    text = f"{rng.choice(HARD if hard else EASY)} {rng.choice(['please', 'now', 'today', 'again', 'soon'])} {number}"
    fails = hard != (rng.random() < 0.1)
    outcomes = dict.fromkeys(tiers, 1.0) | {tiers[0]: 0.0 if fails else 1.0}
    return {"id": f"r{number}", "text": text, "outcomes": outcomes, "category": "maths" if hard else "service"}


def rows(n: int = 80, **options: Any) -> list[dict[str, Any]]:
    rng = random.Random(0)
    return [row(number, hard=number % 2 == 0, rng=rng, **options) for number in range(n)]


def write(path: Path, lines: list[Any]) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("router.yaml").write_text(config_text(), encoding="utf-8")
    write(Path("rows.jsonl"), rows())

    def run(*args: str) -> Result:
        return CliRunner().invoke(app, ["tune", *args])

    return run


def tune(cli: Cli, *more: str) -> dict[str, Any]:
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml", "--json", *more)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def one_line(text: str) -> bool:
    return len(text.strip().splitlines()) == 1


# ---------------------------------------------------------------- a ladder


def test_what_is_written_routes_as_the_rows_say(cli):
    report = tune(cli, "--target", "quality=0.97")
    config = load_config("tuned.yaml")
    assert config.profile == report["point"]["threshold"]
    assert config.router.heads == ("tuned.head.npz",)
    text = Path("tuned.yaml").read_text(encoding="utf-8")
    assert "# mine" in text
    assert "# how sure" in text
    chain = load_chain(config)
    try:
        proposer: Any = chain.links[0].proposer
        said = {}
        for asked in ("where is my parcel please 7", "derive the integral now 8"):
            proposed = proposer.propose(asked, narrow=lambda _: config.ladder.names, deadline=1e12, windows=1)
            said[asked] = proposed.proposal.tier
        assert list(said.values()) == ["small", "big"]
    finally:
        chain.close()


def test_the_report_beats_what_knows_nothing_and_says_so_with_intervals(cli):
    report = tune(cli)
    assert report["rows"] == {"used": 80, "complete": 80, "unscored": 0, "left_out": 0}
    assert [tier["name"] for tier in report["tiers"]] == ["small", "big"]
    assert report["tiers"][1]["score"] == 1.0
    scores = [row["outcomes"]["small"] for row in rows()]
    assert report["tiers"][0]["score"] == pytest.approx(sum(scores) / len(scores), abs=1e-4)
    figures = {each["name"]: each for each in report["figures"]}
    assert list(figures) == ["tuned", "generic", "random", "length", "category mean", "TF-IDF", "oracle"]
    tuned = figures["tuned"]
    assert report["measure"] == "APGR"
    assert tuned["low"] <= tuned["value"] <= tuned["high"] <= figures["oracle"]["high"]
    assert tuned["value"] > 0.65  # the oracle has .75
    assert figures["random"]["tuned_minus_it"]["low"] > 0
    assert tuned["tuned_minus_it"] is None
    gap = figures["length"]
    assert gap["tuned_minus_it"]["value"] == pytest.approx(tuned["value"] - gap["value"], abs=2e-4)


def test_the_point_is_what_its_threshold_comes_to(cli):
    report = tune(cli, "--target", "share=0.6")
    point = report["point"]
    assert sum(point["shares"].values()) == pytest.approx(1)
    assert point["shares"]["big"] <= 0.6
    assert point["quality_interval"][0] <= point["quality"] <= point["quality_interval"][1]
    assert point["cost_kept"] < 1
    assert report["on_new_rows"]["top_share"] == pytest.approx(point["shares"]["big"], abs=0.15)
    assert report["target"] == "share=0.6"


def test_without_a_target_the_threshold_stays(cli):
    report = tune(cli)
    assert report["target"] is None
    assert report["point"]["threshold"] == 0.5
    assert report["on_new_rows"] is None
    assert load_config("tuned.yaml").profile == "balanced"


def test_a_cost_is_kept_by_the_prices(cli):
    report = tune(cli, "--target", "cost=0.7")
    assert report["cost_unit"] == "USD per request"
    assert report["point"]["cost_kept"] <= 0.7


def test_recorded_costs_stand_for_prices(cli):
    Path("router.yaml").write_text(config_text(priced=False), encoding="utf-8")
    write(Path("rows.jsonl"), [{**each, "costs": {"small": 0.0, "big": 0.5}} for each in rows()])
    report = tune(cli, "--target", "cost=0.7")
    assert report["point"]["cost_kept"] == pytest.approx(report["point"]["shares"]["big"], abs=1e-4)


def test_ladders_of_three_tiers_have_an_area_and_a_share_of_each(cli):
    tiers = ("small", "middle", "big")
    Path("router.yaml").write_text(config_text(tiers=tiers), encoding="utf-8")
    write(Path("rows.jsonl"), rows(tiers=tiers))
    report = tune(cli, "--target", "quality=0.95")
    assert report["measure"] == "area under score over cost"
    assert list(report["point"]["shares"]) == list(tiers)
    assert len(load_config("tuned.yaml").tiers) == 3


def test_rows_that_are_scored_on_some_tiers_only_are_used(cli):
    given = rows()
    for each in given[:10]:
        each["outcomes"]["big"] = None
    write(Path("rows.jsonl"), [*given, {"id": "bare", "text": "nobody scored this"}])
    report = tune(cli)
    assert report["rows"] == {"used": 80, "complete": 70, "unscored": 1, "left_out": 0}
    assert [tier["scored"] for tier in report["tiers"]] == [80, 70]


def test_bad_rows_are_named_by_file_and_line_and_the_rest_is_used(cli):
    bad = [
        "{",
        {"id": "x", "outcomes": {"small": 1.0}},
        {"id": "y", "text": "t", "outcomes": {"huge": 1.0}},
        {"id": "z", "text": "t", "outcomes": {"small": 7}},
    ]
    write(Path("rows.jsonl"), [*rows(), *bad])
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml")
    assert result.exit_code == 0
    named = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in named] == [f"rows.jsonl:{line}" for line in (81, 82, 83, 84)]
    assert "huge" in named[2]
    assert "4 left out" in result.stdout


def test_the_same_rows_give_the_same_head(cli):
    first = tune(cli)
    again = tune(cli, "--force")
    for report in (first, again):
        report.pop("seconds")
        report["chosen"] = None  # it may hold times
    assert first == again


def test_another_model_head_is_replaced_when_tuned_again(cli):
    tune(cli)
    report = tune(cli, "--config", "tuned.yaml", "--force", "--target", "share=0.5")
    assert load_config("tuned.yaml").router.heads == ("tuned.head.npz",)
    assert report["point"]["shares"]["big"] <= 0.5


def test_the_report_fits_80_columns_and_names_what_was_written(cli):
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml", "--target", "quality=0.97")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    for part in ("80 used", "small", "TF-IDF", "oracle", "threshold", "on new rows", "generic score", "tuned.head.npz"):
        assert part in result.stdout
    assert result.stderr == ""


def test_few_rows_come_with_a_warning_that_counts(cli):
    write(Path("rows.jsonl"), rows(40))
    assert any("rows" in warning for warning in tune(cli)["warnings"])


def test_a_top_tier_that_is_no_better_is_said(cli):
    for each in (given := rows()):
        each["outcomes"] = {"small": 1.0, "big": 0.5}
    write(Path("rows.jsonl"), given)
    report = tune(cli)
    assert any("no better" in warning for warning in report["warnings"])
    assert report["figures"] == []


def test_the_plot_is_a_picture_with_the_curve_and_its_band(cli, monkeypatch):
    from tiergraph.tuning import picture

    drawn: list[Any] = []
    real = picture.save
    monkeypatch.setattr(picture, "save", lambda figure, path: drawn.append(figure) or real(figure, path))
    tune(cli, "--target", "quality=0.97", "--plot", "curve.png")
    assert Path("curve.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = drawn[0].axes
    texts = {text.get_text() for text in axes.texts} | {
        text.get_text() for text in (axes.get_legend().get_texts() if axes.get_legend() else ())
    }
    assert {"tuned", "generic", "oracle", "operating point of the tuned"} <= texts
    assert len(axes.collections) == 1


def test_no_text_of_a_row_is_written_or_printed(cli):
    write(Path("rows.jsonl"), [{**each, "text": f"xyzzy {each['text']}"} for each in rows()])
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml")
    assert result.exit_code == 0
    written = b"".join(Path(name).read_bytes() for name in ("tuned.yaml", "tuned.head.json", "tuned.head.npz"))
    assert b"xyzzy" not in written
    assert "xyzzy" not in result.output


def test_the_manifest_says_where_the_head_comes_from(cli):
    report = tune(cli)
    manifest = json.loads(Path("tuned.head.json").read_text(encoding="utf-8"))
    assert manifest["sha256"] == report["head"]["sha256"]
    assert manifest["model_sha256"] == report["head"]["model"]["sha256"]
    assert manifest["tiers"] == ["small", "big"]
    assert manifest["data"]["rows"] == 80
    assert len(manifest["data"]["sha256"]) == 64
    assert manifest["figures"]["apgr_or_area"] == report["figures"]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (rows(29), "29 rows have a score of every tier, and 30 are needed"),
        ([{**each, "outcomes": {"small": 1.0}} for each in rows()], "No row has a score of 'big'"),
        ([{**each, "outcomes": {"small": 1.0, "huge": 1.0}} for each in rows()], "unknown tier"),
        ([{"id": each["id"], "outcomes": each["outcomes"]} for each in rows()], "rows.jsonl:1"),
        (["not json"], "rows.jsonl:1"),
        ([], "no row can be used"),
    ],
    ids=["few", "unscored tier", "unknown tier", "no text", "no json", "empty"],
)
def test_rows_that_cannot_be_used_end_it_in_one_line(cli, lines, says):
    write(Path("rows.jsonl"), lines)
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml")
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert says in result.stderr
    assert not Path("tuned.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", "cheap"), "cost=0.4, quality=0.97 or share=0.3"),
        (("--target", "cost=0.001"), "The least is cost="),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--out", "tuned.txt"), ".yaml"),
        (("--out", "no/such/tuned.yaml"), "folder"),
        (("--out", "router.yaml"), "--force"),
        (("--plot", "curve.pdf"), ".png"),
        (("--plot", "rows.png"), "--force"),
        (("--outside", "oos"), "--field"),
        (("--field", "intent", "--target", "cost=0.4"), "--target"),
        (("--field", "tier"), "'tier'"),
    ],
)
def test_arguments_that_cannot_be_used_end_it_in_one_line(cli, arguments, says):
    Path("rows.png").write_bytes(b"mine")
    given = {"--data": "rows.jsonl", "--out": "tuned.yaml"} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    before = {path: path.read_bytes() for path in Path().iterdir()}
    result = cli(*(part for pair in given.items() for part in pair))
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert says in result.stderr
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_cost_without_prices_is_refused_with_the_fix(cli):
    Path("router.yaml").write_text(config_text(priced=False), encoding="utf-8")
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml", "--target", "cost=0.4")
    assert result.exit_code == 2
    assert "price: {input" in result.stderr
    assert cli("--data", "rows.jsonl", "--out", "tuned.yaml", "--target", "share=0.6").exit_code == 0


def test_a_router_model_elsewhere_cannot_be_tuned(cli):
    more = "router: {model: 'openai:m', location: external}\n"
    Path("router.yaml").write_text(config_text(more=more), encoding="utf-8")
    result = cli("--data", "rows.jsonl", "--out", "tuned.yaml")
    assert result.exit_code == 2
    assert "openai:m" in result.stderr


def test_of_a_chain_the_model_in_this_process_is_tuned(cli):
    more = "router:\n  chain:\n    - {model: 'openai:m', location: external}\n    - {model: embedded}\n"
    Path("router.yaml").write_text(config_text(more=more), encoding="utf-8")
    tune(cli)
    assert [link.heads for link in load_config("tuned.yaml").router.links] == [(), ("tuned.head.npz",)]


def test_from_python_it_takes_rows_in_memory(cli, tmp_path):
    source = Source.of(Path("router.yaml"))
    suite = read_rows(rows(), tiers=source.parsed().ladder)
    stages: list[str] = []
    from tiergraph.tuning.running import Work

    tuned = tune_ladder(
        suite, source, tmp_path / "a.yaml", target=parse_target("quality=0.9"), work=Work(stage=stages.append)
    )
    assert tuned.point.quality_kept >= 0.9
    assert tuned.point.sufficiency != 0.5
    took = tuned.facts.took  # what the plot marks is the point that was picked
    assert [took.count(name) / len(took) for name in ("small", "big")] == pytest.approx(tuned.point.shares)
    assert stages[-2:] == ["fitting", "measuring"]


# ---------------------------------------------------------------- a field


def labelled(n: int = 60) -> list[dict[str, Any]]:
    rng = random.Random(1)
    kinds = {"parcel": "where is my parcel", "refund": "give me a refund", "oos": "sing about the weather"}
    names = list(kinds)
    return [
        {"text": f"{kinds[names[i % 3]]} {rng.choice(['please', 'now', 'today'])} {i}", "intent": names[i % 3]}
        for i in range(n)
    ]


def test_a_field_is_fitted_and_its_values_are_configured(cli):
    write(Path("labelled.jsonl"), labelled())
    arguments = ("--data", "labelled.jsonl", "--field", "intent", "--outside", "oos", "--out", "tuned.yaml")
    result = cli(*arguments, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert sorted(report["values"]) == ["oos", "parcel", "refund"]
    assert set(report["figures"]) == {"accuracy", "accuracy without oos", "recall of oos", "false oos"}
    assert report["figures"]["accuracy"]["head"]["value"] > 0.9
    assert report["figures"]["accuracy"]["most frequent"]["value"] == pytest.approx(1 / 3, abs=0.01)
    config = load_config("tuned.yaml")
    assert sorted(config.router.intents) == ["oos", "parcel", "refund"]
    assert config.router.heads == ("tuned.intent.npz",)
    chain = load_chain(config)
    try:
        proposer: Any = chain.links[0].proposer
        proposed = proposer.propose(
            "where is my parcel now 99", narrow=lambda _: config.ladder.names, deadline=1e12, windows=1
        )
        assert proposed.proposal.intent == "parcel"
    finally:
        chain.close()
    printed = cli(*arguments, "--force")
    assert max(map(len, printed.stdout.splitlines())) <= 80
    assert "recall of oos" in printed.stdout


def test_a_value_of_one_row_is_left_out_and_named(cli):
    write(Path("labelled.jsonl"), [*labelled(), {"text": "something else", "intent": "lonely"}])
    result = cli("--data", "labelled.jsonl", "--field", "intent", "--out", "tuned.yaml", "--json")
    assert result.exit_code == 0, result.output
    assert "lonely" in result.stderr
    assert "lonely" not in json.loads(result.stdout)["values"]


def test_a_field_and_a_ladder_are_tuned_one_after_the_other(cli):
    write(Path("labelled.jsonl"), labelled())
    Path("deep").mkdir()
    assert cli("--data", "labelled.jsonl", "--field", "intent", "--out", "deep/intents.yaml").exit_code == 0
    report = tune(cli, "--config", "deep/intents.yaml")
    config = load_config("tuned.yaml")
    assert config.router.heads == ("deep/intents.intent.npz", "tuned.head.npz")
    assert sorted(config.router.intents) == ["oos", "parcel", "refund"]
    load_chain(config).close()
    again = cli("--data", "labelled.jsonl", "--field", "intent", "--config", "tuned.yaml", "--out", "again.yaml")
    assert again.exit_code == 0, again.output
    assert load_config("again.yaml").router.heads == ("tuned.head.npz", "again.intent.npz")
    assert report["rows"]["used"] == 80


@pytest.mark.parametrize(
    ("lines", "more", "says"),
    [
        (labelled(20), (), "20 rows with a 'intent', and 30 are needed"),
        ([{**each, "intent": "one"} for each in labelled()], (), "All rows have"),
        ([{"text": each["text"]} for each in labelled()], (), "There is no 'intent'"),
        (labelled(), ("--outside", "nothing"), "no row has it"),
        ([{**each, "difficulty": 7} for each in labelled()], ("--field", "difficulty"), "none of ['1', '2', '3']"),
        ([{**each, "difficulty": 1 + i % 2} for i, each in enumerate(labelled())], ("--field", "difficulty"), "'3'"),
    ],
)
def test_labels_that_cannot_be_used_end_it_in_one_line(cli, lines, more, says):
    write(Path("labelled.jsonl"), lines)
    given = {"--field": "intent"} | dict(zip(more[::2], more[1::2], strict=True))
    flags = [part for pair in given.items() for part in pair]
    result = cli("--data", "labelled.jsonl", "--out", "tuned.yaml", *flags)
    assert result.exit_code == 2
    assert one_line(result.stderr)
    assert says in result.stderr
    assert not Path("tuned.yaml").exists()


def test_a_map_that_names_other_intents_is_told_before_anything_is_written(cli):
    more = "map:\n  - {intent: [coding], tier: big}\n"
    Path("router.yaml").write_text(config_text(more=more), encoding="utf-8")
    write(Path("labelled.jsonl"), labelled())
    result = cli("--data", "labelled.jsonl", "--field", "intent", "--out", "tuned.yaml")
    assert result.exit_code == 2
    assert "coding" in result.stderr
    assert not Path("tuned.yaml").exists()
    assert not Path("tuned.intent.npz").exists()
