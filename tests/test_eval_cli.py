"""`tiergraph eval` as people use it: one command, one table, one line for a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tiergraph.cli import app

CONFIG = """
tiers:
  - {name: weak, model: quote, location: on_prem, price: {input: 1, output: 2}}
  - {name: strong, model: compose, location: on_prem, price: {input: 10, output: 20}}
"""
HARD = "Prove by induction that the sum of the first n odd numbers is n squared, and give a counterexample to"
EASY = "What time is it in"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TIERGRAPH_DATA", raising=False)
    (tmp_path / "router.yaml").write_text(CONFIG)
    (tmp_path / "free.yaml").write_text(re.sub(r", price: {[^}]*}", "", CONFIG))
    rows = [
        {
            "id": f"r{n}",
            "text": f"{HARD if n % 2 else EASY} case {n}",
            "outcomes": {"weak": 1 - n % 2, "strong": 1},
            "difficulty": "hard" if n % 2 else "easy",
        }
        for n in range(60)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    def call(*words: str) -> Result:
        return CliRunner().invoke(app, ["eval", *words], catch_exceptions=True)

    return call


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def fits(text: str) -> bool:
    return all(len(line.rstrip()) <= 80 for line in text.splitlines())


def test_rows_of_ones_own_are_a_suite_in_one_command(run: Callable[..., Result], folder: Path) -> None:
    shown = ok(run("run", "rows.jsonl"))
    assert fits(shown)
    for name in ("router", "random", "length", "TF-IDF", "best single tier", "always weak", "always strong", "oracle"):
        assert re.search(rf"^{name}\b", shown, re.MULTILINE), name
    assert "APGR" in shown
    assert not list(folder.glob("*.html"))


def test_a_run_writes_a_report_a_page_and_plots(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "out"))
    names = {file.name for file in (folder / "out").iterdir()}
    assert {"rows.json", "rows.html", "rows-cost_quality.png", "rows-mix.png", "rows-reliability.png"} <= names
    report = json.loads((folder / "out" / "rows.json").read_text())
    assert report["format"] == "tiergraph.evaluation"
    assert report["manifest"]["data_digest"] == report["suite"]["digest"]
    assert {"config_digest", "model", "machine"} <= set(report["manifest"])


def test_a_second_run_observes_nothing_again(run: Callable[..., Result], folder: Path) -> None:
    first = json.loads(ok(run("run", "rows.jsonl", "--json")))
    second = json.loads(ok(run("run", "rows.jsonl", "--json")))
    assert (first["timing"]["from_cache"], second["timing"]["from_cache"]) == (0, 60)
    assert first["figures"] == second["figures"]
    third = json.loads(ok(run("run", "rows.jsonl", "--json", "--no-cache")))
    assert third["timing"]["from_cache"] == 0
    assert third["figures"] == first["figures"]


def test_the_requests_stay_out_of_everything_unless_they_are_asked_for(
    run: Callable[..., Result], folder: Path
) -> None:
    ok(run("run", "rows.jsonl", "--out", "out"))
    for file in [*(folder / "out").glob("*.*ml"), *(folder / "out").glob("*.json"), *folder.rglob(".tiergraph/**/*.*")]:
        assert "Prove by induction" not in file.read_text(encoding="utf-8"), file
    ok(run("run", "rows.jsonl", "--out", "open", "--show-text"))
    assert "case" in (folder / "open" / "rows.html").read_text(encoding="utf-8")


def test_broken_rows_are_named_and_the_rest_is_evaluated(run: Callable[..., Result], folder: Path) -> None:
    with (folder / "rows.jsonl").open("a") as file:
        file.write(
            '{"id": "r1", "text": "again"}\n{"text": "no id"}\n{"id": "bad", "text": "x", "outcomes": {"mid": 1}}\n'
        )
    shown = ok(run("run", "rows.jsonl"))
    assert "60 of 63 rows" in shown
    assert "3 rows were left out" in shown
    for place in ("rows.jsonl:61", "rows.jsonl:62", "rows.jsonl:63"):
        assert place in shown


def test_the_gate_passes_what_is_the_same_and_fails_what_is_worse(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "base"))
    passed = run("gate", "--against", "base/rows.json", "--suite", "rows.jsonl")
    assert passed.exit_code == 0, passed.output
    assert "PASSED" in passed.stdout
    (folder / "worse.yaml").write_text(CONFIG + "map: [{tier: weak}]\n")
    failed = run("gate", "--against", "base/rows.json", "--suite", "rows.jsonl", "--config", "worse.yaml")
    assert failed.exit_code == 1
    assert "FAILED" in failed.stdout
    assert "quality" in failed.stdout
    assert fits(failed.stdout)


def test_a_gate_over_other_rows_fails_and_says_so(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "base"))
    ok(run("run", "rows.jsonl", "--out", "fewer", "--limit", "40"))
    result = run("gate", "fewer/rows.json", "--against", "base/rows.json")
    assert result.exit_code == 1
    assert "suite" in result.stdout


def test_two_reports_are_compared_in_sentences(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "base"))
    (folder / "cheap.yaml").write_text(CONFIG + "map: [{tier: weak}]\n")
    ok(run("run", "rows.jsonl", "--out", "cheap", "--config", "cheap.yaml"))
    said = ok(run("compare", "base/rows.json", "cheap/rows.json"))
    assert "%" in said
    assert json.loads(ok(run("compare", "base/rows.json", "cheap/rows.json", "--json")))


def test_a_candidate_is_shadowed_on_the_same_rows(run: Callable[..., Result], folder: Path) -> None:
    (folder / "next.yaml").write_text(CONFIG + "map: [{tier: strong}]\n")
    said = ok(run("shadow", "rows.jsonl", "--live", "router.yaml", "--candidate", "next.yaml"))
    assert "moves" in said


def test_traffic_is_simulated_from_a_report_and_from_shares(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "base"))
    said = ok(run("simulate", "--report", "base/rows.json", "--requests-per-day", "20000"))
    assert "600,000 requests in 30 days" in said
    found: dict[str, Any] = json.loads(
        ok(
            run(
                *("simulate", "--share", "weak=75%", "--share", "strong=0.25", "--requests-per-day", "1000"),
                *("--input-tokens", "1000000", "--output-tokens", "0", "--days", "1", "--json"),
            )
        )
    )
    costs = {each["of"]: each["value"] for each in found["figures"] if each["name"] == "cost_usd"}
    assert costs["router"] == pytest.approx(1000 * (0.75 * 1 + 0.25 * 10))
    assert costs["always strong"] == pytest.approx(10_000)


def test_a_report_is_shown_again_and_published_without_rows(run: Callable[..., Result], folder: Path) -> None:
    ok(run("run", "rows.jsonl", "--out", "base"))
    ok(run("report", "base/rows.json", "--html", "again.html", "--plots", "pictures", "--published", "public.json"))
    assert (folder / "again.html").read_text(encoding="utf-8").startswith("<!")
    assert list((folder / "pictures").glob("*.png"))
    public = json.loads((folder / "public.json").read_text())
    assert public["rows"] == []
    assert "r1" not in json.dumps(public["charts"])
    assert "easy" in ok(run("report", "base/rows.json", "--by", "difficulty"))


def test_the_suites_are_listed_with_the_state_of_their_data(run: Callable[..., Result]) -> None:
    shown = ok(run("list"))
    assert fits(shown)
    rows = {row["name"]: row for row in json.loads(ok(run("list", "--json")))}
    assert {"harbor", "routellm", "mmlu_pro", "llmrouter", "zeroeval", "bfcl", "grounding", "pii", "legal"} <= set(rows)
    assert rows["harbor"]["needs"] == []
    assert rows["routellm"]["missing"] == rows["routellm"]["needs"] != []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "harbour"), "harbor"),
        (("run", "missing.jsonl"), "missing.jsonl"),
        (("run", "routellm"), "clone lm-sys/RouteLLM"),
        (("gate", "--against", "none.json"), "none.json"),
        (("gate", "router.yaml", "--against", "router.yaml"), "not JSON"),
        (("compare", "a.json", "b.json"), "a.json"),
        (("simulate", "--requests-per-day", "10", "--share", "weak"), "TIER=SHARE"),
        (("simulate", "--requests-per-day", "0", "--share", "weak=1"), "requests_per_day"),
        (("simulate", "--requests-per-day", "10", "--share", "weak=1", "--config", "free.yaml"), "no prices"),
        (("shadow", "rows.jsonl"), "--candidate"),
        (("import", "other", "."), "routellm"),
        (("import", "routellm", "."), "TIERGRAPH_DATA"),
        (("run", "rows.jsonl", "--docs", "nowhere", "--cascade"), "nowhere"),
    ],
)
def test_a_mistake_is_one_line_with_its_fix_and_exit_code_2(
    run: Callable[..., Result], words: tuple[str, ...], says: str
) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    message = result.stderr.strip()
    assert says in message
    assert len(message.splitlines()) == 1
    assert "Traceback" not in message


@pytest.mark.loopback  # whether something listens where its tiers would be
def test_harbor_needs_nothing(run: Callable[..., Result], folder: Path) -> None:
    shown = ok(run("run", "harbor", "--limit", "40", "--resamples", "100"))
    assert "40 cases" in shown
    assert "solved" in shown
    assert fits(shown)
