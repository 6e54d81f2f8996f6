"""Harbor Support: its content, the demo over it, and both graphs as LangGraph's own server loads them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import tiergraph.decider
from tiergraph.cli import app
from tiergraph.config import RouterConfig
from tiergraph.demo import Routed, as_row, spread, summarise, top_costs
from tiergraph.graphs import harbor_support, router
from tiergraph.testing import ScriptedProposer

Demo = Callable[..., Result]


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Demo:
    """The demo in this process, 80 columns wide, with a scripted router model that wants documents."""
    monkeypatch.setattr(
        tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder, needs_retrieval=True)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*args: str) -> Result:
        return CliRunner().invoke(app, ["demo", *args])

    return run


class TestContent:
    def test_the_inbox_is_as_large_as_its_readme_says(self) -> None:
        rows = harbor_support.inbox()
        assert len(rows) == 249
        assert len({row["id"] for row in rows}) == 249
        assert len(harbor_support.harbor_retriever().documents) == 68

    def test_every_expected_article_is_there(self) -> None:
        ids = {document["id"] for document in harbor_support.harbor_retriever().documents}
        assert {id for row in harbor_support.inbox() for id in row["expect"]["articles"]} <= ids

    def test_every_message_is_a_request_that_the_graph_takes(self) -> None:
        from tiergraph.request import parse_request

        for row in harbor_support.inbox():
            request = dict(row["request"])
            assert parse_request(request.pop("messages"), **request).question

    def test_the_ladder_has_two_tiers_without_a_language_model(self) -> None:
        config = harbor_support.harbor_config()
        assert [tier.model for tier in config.tiers][:2] == ["quote", "compose"]
        assert config.ladder.top.location == "external"


@pytest.mark.loopback  # whether Ollama listens is asked of the loopback address
class TestDemo:
    def test_a_few_messages_are_routed_at_80_columns(self, demo: Demo, tmp_path: Path) -> None:
        result = demo("--limit", "12", "--output", "routed.jsonl")
        assert result.exit_code == 0
        assert max(map(len, result.output.splitlines())) <= 80
        header = result.stdout.splitlines()[0].split()
        assert header == ["id", "tier", "source", "reason", "hops", "est.", "¢", "top", "¢", "outcome"]
        assert "easy-001" in result.stdout
        assert "estimate" in result.stdout
        rows = [json.loads(line) for line in (tmp_path / "routed.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(rows) == 12
        assert all(row["answer"] for row in rows)

    def test_it_says_first_what_can_be_reached(self, demo: Demo) -> None:
        note = demo("--limit", "1").stderr
        assert "quote     reachable, free" in note
        assert "local     not reachable: nothing listens at 127.0.0.1:9" in note
        assert "frontier  not reachable: " in note

    def test_it_says_that_a_paid_tier_will_be_called(self, demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
            monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-key")
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            result = demo("--limit", "1")
        assert "frontier  WILL BE CALLED, and is paid for" in result.stderr
        assert "sk-not-a-key" not in result.output

    def test_json_holds_summary_and_messages(self, demo: Demo) -> None:
        out = json.loads(demo("--limit", "6", "--json").stdout)
        assert out["summary"]["messages"] == len(out["messages"]) == 6
        assert out["summary"]["cost"]["estimate"] is True
        assert sum(out["summary"]["outcomes"].values()) == 6

    def test_answers_come_from_the_help_centre(self, demo: Demo) -> None:
        out = json.loads(demo("--limit", "24", "--json").stdout)
        answered = [row for row in out["messages"] if row["outcome"] == "answered"]
        assert answered
        ids = {document["id"] for document in harbor_support.harbor_retriever().documents}
        assert all(any(f"[{id}]" in row["answer"] for id in ids) for row in answered)


def test_the_demo_ends_with_the_embedded_model() -> None:
    command = [sys.executable, "-m", "tiergraph.cli", "demo", "--limit", "12"]
    environment = {**os.environ, "COLUMNS": "80", "OLLAMA_HOST": "http://127.0.0.1:9"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "Harbor Support: 12 messages" in result.stderr


def routed(id: str, outcome: str = "answered", **changes: Any) -> Routed:
    """A message after its run, for the counts."""
    expect = {
        "difficulty": "easy",
        "findings": [],
        "human": False,
        "must_contain": ["30 DAYS"],
        **changes.get("expect", {}),
    }
    record = {
        "outcome": outcome,
        "tier": "quote" if outcome == "answered" else None,
        "decided": "quote",
        "source": "model",
        "reason": "model:lookup",
        "trouble": None,
        "findings": [],
        "hops": [{"tier": "quote"}],
        "cost_usd": 0.0,
        "latency_ms": 5.0,
        **changes.get("record", {}),
    }
    answer = changes.get("answer", "Within 30 days.")
    return Routed(id=id, kinds=("easy",), expect=expect, answer=answer, record=record, prompt_tokens=1_000_000)


class TestCounts:
    @pytest.fixture
    def config(self) -> RouterConfig:
        return harbor_support.harbor_config()

    def test_a_limit_is_spread_over_the_inbox(self) -> None:
        assert spread(range(10), 4) == [0, 2, 5, 7]
        assert spread(range(3), 9) == [0, 1, 2]
        assert spread(range(3), None) == [0, 1, 2]

    def test_an_expected_string_is_found_in_any_case_and_only_in_answers(self) -> None:
        assert routed("a").right is True
        assert routed("a", answer="Never.").right is False
        assert routed("a", outcome="human").right is None
        assert routed("a", expect={"must_contain": []}).right is None

    def test_answers_count_only_where_a_right_one_is_known(self, config: RouterConfig) -> None:
        items = [
            routed("right"),
            routed("wrong", answer="Never."),
            routed("person", outcome="human"),
            routed("unknown", expect={"must_contain": []}),
            routed("hard", expect={"difficulty": "hard"}),
        ]
        answers = summarise(items, config)["answers"]
        assert (answers["asked"], answers["answered"], answers["right"]) == (3, 2, 1)
        assert answers["wrong"] == ["wrong"]
        assert answers["by_tier"]["quote"] == {"answered": 2, "right": 1}

    def test_findings_agree_or_not(self, config: RouterConfig) -> None:
        seen = {"findings": [{"kind": "pii", "rule": "X", "where": "question"}]}
        items = [
            routed("both", expect={"findings": ["pii"]}, record=seen),
            routed("missed", expect={"findings": ["pii"]}),
            routed("extra", record=seen),
            routed("neither"),
        ]
        pii = summarise(items, config)["findings"]["pii"]
        assert (pii["precision"], pii["recall"], pii["missed"], pii["extra"]) == (0.5, 0.5, ["missed"], ["extra"])
        assert summarise(items, config)["findings"]["legal"]["recall"] is None

    def test_what_must_not_happen_is_counted_by_what_was_expected(self, config: RouterConfig) -> None:
        leaked = {"hops": [{"tier": "quote"}, {"tier": "frontier"}]}
        items = [
            routed("leaked", expect={"findings": ["pii"]}, record=leaked),
            routed("kept", expect={"findings": ["pii"]}),
            routed("low", expect={"findings": ["legal"]}),
            routed("high", expect={"findings": ["legal"]}, record={"tier": "frontier"}),
            routed("person", outcome="human", expect={"human": True}),
            routed("ignored", expect={"human": True}),
        ]
        policy = summarise(items, config)["policy"]
        assert (policy["pii_messages"], policy["pii_sent_outside"]) == (2, 1)
        assert (policy["legal_messages"], policy["legal_answered_below_top"]) == (2, 1)
        assert (policy["humans_asked_for"], policy["humans_honoured"]) == (2, 1)

    def test_the_top_tiers_cost_is_prompt_and_answer_at_its_price(self, config: RouterConfig) -> None:
        price = config.ladder.top.price
        answer = price.cost(1_000_000, len("Within 30 days.") // 4)
        assert top_costs([routed("a"), routed("b", outcome="human")], config) == [answer, answer]
        costs = summarise([routed("a"), routed("b", outcome="human")], config)["cost"]
        assert costs["all_to_top_usd"] == pytest.approx(2 * answer)
        assert costs["answered_to_top_usd"] == pytest.approx(answer)

    def test_why_is_the_trouble_where_nobody_answered(self) -> None:
        assert as_row(routed("a", outcome="human", record={"trouble": "exhausted"}), 0.0)["reason"] == "exhausted"
        assert as_row(routed("a", record={"trouble": None}), 0.0)["reason"] == "model:lookup"


class TestRouterGraph:
    def test_the_environment_names_configuration_and_documents(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "hours.md").write_text("The shop is open from 8:00 to 18:00.\n", encoding="utf-8")
        (tmp_path / "router.yaml").write_text(
            "tiers:\n  - {name: low, model: quote, location: on_prem, context_window: 100000}\n"
            "  - {name: high, model: compose, location: on_prem, context_window: 100000}\n",
            encoding="utf-8",
        )
        monkeypatch.setattr(
            tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder, needs_retrieval=True)
        )
        monkeypatch.setenv("TIERGRAPH_CONFIG", str(tmp_path / "router.yaml"))
        monkeypatch.setenv("TIERGRAPH_DOCS", str(tmp_path / "docs"))
        built = router._built.__wrapped__()
        out = built.invoke({"messages": [{"role": "user", "content": "From when to when is the shop open?"}]})
        assert out["routing"]["tier"] == "low"
        assert "8:00 to 18:00" in out["messages"][-1].text

    async def test_a_deployed_graph_is_built_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder))
        monkeypatch.delenv("TIERGRAPH_CONFIG", raising=False)
        monkeypatch.delenv("TIERGRAPH_DOCS", raising=False)
        router._built.cache_clear()
        try:
            assert await router.graph() is await router.graph()
        finally:
            router._built.cache_clear()


@pytest.fixture
def langgraph_json(repo_root: Path) -> Path:
    path = repo_root / "langgraph.json"
    if not path.is_file():
        pytest.skip("needs langgraph.json of the checkout")
    return path


@pytest.fixture
def server(langgraph_json: Path, tmp_path: Path) -> Iterator[str]:
    """The address of ``langgraph dev`` over the checkout's graphs, for as long as the test runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    command += ["--port", str(port)]
    # A copy: the server finds the graphs from where it stands, and keeps its state there too.
    shutil.copy(langgraph_json, tmp_path)
    shutil.copytree(langgraph_json.parent / "graphs", tmp_path / "graphs")
    log = tmp_path / "server.log"
    with (
        log.open("wb") as sink,
        subprocess.Popen(command, cwd=tmp_path, stdout=sink, stderr=sink, start_new_session=True) as running,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}", running, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()
            try:
                running.wait(timeout=15)
            except subprocess.TimeoutExpired:
                running.kill()


def _wait_for(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end and running.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/ok", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _post(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=90) as response:
        return json.load(response)


def test_langgraphs_cli_finds_both_graphs_valid(langgraph_json: Path) -> None:
    command = [sys.executable, "-m", "langgraph_cli", "validate", "--config", str(langgraph_json)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert set(json.loads(langgraph_json.read_text(encoding="utf-8"))["graphs"]) == {"router", "harbor"}


@pytest.mark.loopback
def test_langgraphs_server_loads_and_runs_both_graphs(server: str) -> None:
    assert {found["graph_id"] for found in _post(f"{server}/assistants/search", {})} == {"router", "harbor"}
    request = {
        "messages": [{"role": "user", "content": "How many days do I have to send something back?"}],
        "documents": [{"id": "returns", "text": "You have 30 days to send something back."}],
    }
    for graph in ("router", "harbor"):
        out = _post(f"{server}/runs/wait", {"assistant_id": graph, "input": request})
        assert out["routing"]["outcome"] == "answered"
        assert "30 days" in out["messages"][-1]["content"]
