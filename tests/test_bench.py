"""The bench: that every figure is there and named with its bar. No figure is held to its bar here."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tiergraph import bench
from tiergraph.cli import app

pytestmark = pytest.mark.loopback  # the hosted paths are measured against a server of the bench's own


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    result = CliRunner().invoke(app, ["bench", "--quick", "--repeats", "10", "--json"])
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def test_every_part_is_measured(report: dict[str, Any]) -> None:
    parts = {"machine", "engine", "other_gguf", "screening", "graph_over_bare", "hosted", "import_time", "peak_memory"}
    assert parts | {"figures", "quick", "repeats"} == set(report)
    kinds = {f"{wire} {kind}" for wire in ("openai", "ollama") for kind in ("router", "judge", "embeddings")}
    assert set(report["hosted"]["paths"]) == kinds
    assert set(report["engine"]["request_tokens"]) == {"8", "16", "32", "128"}
    assert report["graph_over_bare"]["graph_us"]["n"] >= 10


def test_every_bar_has_a_figure(report: dict[str, Any]) -> None:
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert set(bench.BARS) <= set(figures)
    missing = {name for name, figure in figures.items() if figure["value"] is None}
    assert missing <= {"decision_over_floor_other_gguf", "grammar_over_decision"}
    for figure in figures.values():
        assert (figure["met"] is None) == (figure["bar"] is None or figure["value"] is None)


def test_it_tells_nothing_of_who_runs_it(report: dict[str, Any]) -> None:
    text = json.dumps(report)
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert os.getcwd() not in text


def test_a_bar_is_met_or_not() -> None:
    least, most = bench.Bar(sense="at_least", value=15), bench.Bar(sense="at_most", value=2)
    assert (least.met(15), least.met(14.9), least.met(None)) == (True, False, None)
    assert (most.met(2), most.met(2.1), most.met(None)) == (True, False, None)


def test_the_table_fits_80_columns(
    report: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tiergraph.commands.bench import _show

    monkeypatch.setenv("COLUMNS", "80")
    _show(report)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert all(figure["name"] in text for figure in report["figures"])


def test_the_graphs_stand_ins_take_the_real_path() -> None:
    """Screen, propose, draft, judge, finish: the nodes that the bare graph has too."""
    visited = [
        name
        for update in bench._router().stream({"messages": [{"role": "user", "content": "?"}]}, stream_mode="debug")
        if update["type"] == "task"
        for name in [update["payload"]["name"]]
    ]
    assert tuple(visited) == bench._EMPTY_NODES
