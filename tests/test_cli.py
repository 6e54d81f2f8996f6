"""The command line: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

import tiergraph.decider
from tiergraph import rows
from tiergraph.cli import app
from tiergraph.commands.console import json_bytes
from tiergraph.testing import ScriptedProposer

Cli = Callable[..., Result]
COMMANDS = ("demo", "decide", "ask", "init", "check", "schema", "prompts", "bench", "train", "tune")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """The command line in this process, in an empty folder, 80 columns wide, with a scripted router model."""
    monkeypatch.setattr(tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")

    def run(*args: str, input: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(args), input=input)

    return run


def environment(**more: str) -> dict[str, str]:
    """As a user has it: without what makes Python flush by itself."""
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}, "COLUMNS": "80", **more}


def process(
    *args: str, input: bytes | None = None, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """The command line as a user starts it, with the embedded model."""
    return subprocess.run(
        [sys.executable, "-m", "tiergraph.cli", *args],
        input=input,
        capture_output=True,
        cwd=cwd,
        env=environment(**env),
        timeout=120,
        check=False,
    )


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.split("\n") if line]


def widest(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1 and bool(text.strip())


class TestHelp:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_help_with_an_example_at_80_columns(self, cli: Cli, command: str) -> None:
        result = cli(command, "--help")
        assert result.exit_code == 0
        assert f"Example: tiergraph {command}" in " ".join(result.stdout.split())
        assert widest(result.stdout) <= 80

    def test_without_a_command_the_help_names_them_all(self, cli: Cli) -> None:
        result = cli()
        assert result.exit_code == 0
        assert all(command in result.stdout for command in COMMANDS)

    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "import sys, tiergraph.cli\n"
            "heavy = {'langgraph', 'langchain_core', 'llama_cpp', 'torch', 'pydantic', 'spacy', 'numpy', 'openai'}\n"
            "sys.exit(' '.join(heavy & set(sys.modules)))"
        )
        assert (
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.strip()
            == ""
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (("decide",), "either TEXT or --jsonl"),
            (("decide", "hello", "--jsonl", "-"), "either TEXT or --jsonl"),
            (("decide", "   "), "empty"),
            (("decide", "hello", "--config", "nowhere.yaml"), "nowhere.yaml: There is no such file."),
            (("decide", "--jsonl", "nowhere.jsonl"), "nowhere.jsonl: No such file"),
            (("decide", "--jsonl", "."), "Is a directory"),
            (("decide", "--colour"), "--colour"),
            (("ask", "hello", "--docs", "nowhere"), "nowhere: there is no such file or folder"),
            (("ask", "hello", "--docs", "."), "no documents"),
            (("ask", ""), "empty"),
            (("init", "no/such/folder/router.yaml"), "No such file"),
            (("check",), "router.yaml: There is no such file."),
            (("check", "."), "cannot be read"),
            (("schema", "--what", "everything"), "everything"),
            (("schema", "--allowed", "a,,b"), "--allowed"),
            (("schema", "--what", "config", "--allowed", "a"), "--allowed"),
            (("bench", "--gguf", "nowhere.gguf"), "nowhere.gguf"),
            (("bench", "--repeats", "0"), "--repeats"),
            (("demo", "--limit", "0"), "--limit"),
            (("demo", "--output", "no/such/folder/x.jsonl"), "No such file"),
            (("train", "--out", "x"), "--rows"),
            (("train", "--out", "x", "--data", "nowhere"), "nowhere"),
            (("train", "--out", "x", "--rows", "nowhere.jsonl"), "nowhere.jsonl"),
            (("train", "--rows", "nowhere.jsonl"), "--out"),
            (("paint",), "paint"),
        ],
    )
    def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(self, cli: Cli, args: Sequence[str], said: str) -> None:
        result = cli(*args)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert one_line(result.stderr)
        assert said in result.stderr

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("tiers: [", "router.yaml:1: "),
            ("- a\n- b\n", "router.yaml:1: "),
            ("version: 1\n", "router.yaml:1: tiers: missing."),
            (
                "tiers:\n  - {name: a, model: quote, location: on_prem}\n"
                "  - {name: b, model: gpt-5, location: external}\n",
                "unknown model reference 'gpt-5'",
            ),
            (
                "tiers:\n  - {name: a, model: quote, location: on_prem}\n"
                "  - name: b\n    model: compose\n    location: on_prem\n    price: {input: -1}\n",
                "router.yaml:6: ",
            ),
        ],
    )
    def test_a_bad_configuration_names_file_line_and_fix(self, cli: Cli, tmp_path: Path, text: str, said: str) -> None:
        (tmp_path / "router.yaml").write_text(text, encoding="utf-8")
        result = cli("check", "router.yaml")
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert said in result.stderr
        assert "Fix: " in result.stderr

    @pytest.mark.parametrize("content", [None, b"GGUF\x03\x00\x00\x00", b"nothing of the kind"])
    def test_a_missing_or_broken_model_is_one_line(self, tmp_path: Path, content: bytes | None) -> None:
        if content is not None:
            (tmp_path / "router.gguf").write_bytes(content)
        config = _two_tiers() + "router: {model: router.gguf}\n"
        (tmp_path / "router.yaml").write_text(config, encoding="utf-8")
        for command in (("check", "router.yaml"), ("decide", "hello", "--config", "router.yaml")):
            result = process(*command, cwd=tmp_path)
            assert result.returncode == 2
            assert result.stdout == b""
            assert one_line(result.stderr.decode())
            assert b"router.gguf" in result.stderr

    def test_a_missing_extra_is_one_line(self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        (tmp_path / "rows.jsonl").write_text('{"text": "hello", "difficulty": 1}\n', encoding="utf-8")
        result = cli("train", "--out", "model", "--rows", "rows.jsonl")
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert "tiergraph[train]" in result.stderr


def _two_tiers() -> str:
    return (
        "tiers:\n"
        "  - {name: low, model: quote, location: on_prem, context_window: 1000000}\n"
        "  - {name: high, model: compose, location: on_prem, context_window: 1000000}\n"
    )


class TestDecide:
    def test_a_text_is_decided_for_people(self, cli: Cli) -> None:
        result = cli("decide", "Where is my parcel?")
        assert result.exit_code == 0
        assert widest(result.stdout) <= 80
        assert re.search(r"^tier +quote", result.stdout, re.MULTILINE)
        assert result.stderr == ""

    def test_json_is_the_row_that_the_schema_publishes(self, cli: Cli) -> None:
        row = json.loads(cli("decide", "Mail me at kim@example.org", "--json").stdout)
        jsonschema.validate(row, json.loads(cli("schema", "--what", "decision").stdout))
        assert {"kind": "pii", "rule": "EMAIL_ADDRESS", "where": "question"} in row["findings"]

    def test_a_person_is_said_plainly(self, cli: Cli) -> None:
        assert re.search(r"^tier +none: human", cli("decide", "Let me talk to a human").stdout, re.MULTILINE)

    def test_the_proposal_validates_against_the_schema_of_its_allowed_set(self, cli: Cli) -> None:
        row = json.loads(cli("decide", "Where is my parcel?", "--json").stdout)
        schema = json.loads(cli("schema", "--allowed", ",".join(row["allowed"])).stdout)
        jsonschema.validate(row["proposal"], schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**row["proposal"], "tier": "elsewhere"}, schema)

    def test_a_configuration_of_ones_own(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "mine.yaml").write_text(_two_tiers(), encoding="utf-8")
        row = json.loads(cli("decide", "hello", "--config", "mine.yaml", "--json").stdout)
        assert row["allowed"] == ["low", "high"]


GOOD = {"id": "good", "text": "Where is my parcel?"}


def jsonl(*values: object) -> bytes:
    return b"".join(v if isinstance(v, bytes) else json.dumps(v).encode() + b"\n" for v in values)


class TestRows:
    @pytest.mark.parametrize(
        ("line", "code"),
        [
            (b"nonsense\n", "not_json"),
            (b'{"id": 1, "text": "a"\n', "not_json"),
            (b'{"id": 1, "text": "\x00"}\n', "not_json"),
            (b'{"id": NaN, "text": "a"}\n', "not_json"),
            (b"[" * 100_000 + b"\n", "not_json"),
            (b'{"id": ' + b"9" * 5000 + b', "text": "a"}\n', "not_json"),
            (b'{"id": "a", "text": "\xff\xfe"}\n', "not_utf8"),
            (b'["id", "text"]\n', "not_an_object"),
            (b"null\n", "not_an_object"),
            ({"text": "no id"}, "no_id"),
            ({"id": None, "text": "no id"}, "no_id"),
            ({"id": {"a": 1}, "text": "odd id"}, "bad_id"),
            ({"id": True, "text": "odd id"}, "bad_id"),
            ({"id": "a"}, "no_text"),
            ({"id": "a", "text": None}, "no_text"),
            ({"id": "a", "text": "b", "messages": []}, "ambiguous"),
            ({"id": "a", "text": 7}, "not_text"),
            ({"id": "a", "text": ["b"]}, "not_text"),
            ({"id": "a", "text": ""}, "empty"),
            ({"id": "a", "text": " \n\t "}, "empty"),
            ({"id": "a", "messages": []}, "no_messages"),
            ({"id": "a", "messages": "hello"}, None),
            ({"id": "a", "messages": 5}, "not_text"),
            ({"id": "a", "messages": [{"role": "assistant", "content": "hello"}]}, "no_question"),
            ({"id": "a", "messages": [{"content": "hello"}]}, "bad_messages"),
            ({"id": "a", "text": "b", "documents": "one text"}, "bad_document"),
            ({"id": "a", "text": "b", "metadata": ["plan"]}, "bad_metadata"),
            ({"id": "a", "text": "b", "attachments": [{"type": "hologram"}]}, "bad_attachment"),
            ({"id": "a", "text": "NUL \x00 and more"}, None),
            (b'{"id": "a", "text": "half a pair \\ud83d here"}\n', None),
            (b'{"id": "\\ud83d", "text": "half a pair in the id"}\n', None),
            ({"id": 7, "text": "x" * 1_000_000}, None),
            ({"id": "a", "text": "line\u2028separator\x85"}, None),
        ],
        ids=lambda value: None if isinstance(value, (bytes, dict)) else str(value),
    )
    def test_a_bad_row_is_an_error_row_and_the_rest_goes_on(self, cli: Cli, line: object, code: str | None) -> None:
        result = cli("decide", "--jsonl", "-", input=jsonl(GOOD, line, {**GOOD, "id": "last"}))
        first, odd, last = lines_of(result.stdout_bytes.decode("utf-8"))
        assert (first["id"], last["id"]) == ("good", "last")
        assert first["tier"] == last["tier"] == "quote"
        if code is None:
            assert "error" not in odd
            assert result.exit_code == 0
        else:
            assert set(odd) == {"id", "error"}
            assert odd["error"]["code"] == code
            assert odd["error"]["line"] == 2
            assert odd["error"]["message"]
            assert result.exit_code == 1
            assert one_line(result.stderr)

    def test_an_error_repeats_nothing_of_the_row(self, cli: Cli) -> None:
        secret = "4111 1111 1111 1111"
        bad = [{"id": 1, "text": [secret]}, {"id": 2, "messages": [{"role": "x", "content": secret}]}]
        result = cli("decide", "--jsonl", "-", input=jsonl(*bad, secret.encode() + b"\n"))
        assert all("error" in row for row in lines_of(result.stdout))
        assert secret not in result.output

    def test_bom_crlf_and_blank_lines(self, cli: Cli) -> None:
        first_row = b"\xef\xbb\xbf" + jsonl(GOOD).replace(b"\n", b"\r\n")
        text = first_row + b"\r\n   \n\n" + b"x\n" + jsonl({**GOOD, "id": 2})[:-1]
        result = cli("decide", "--jsonl", "-", input=text)
        first, bad, last = lines_of(result.stdout)
        assert (first["id"], last["id"]) == ("good", 2)
        assert bad["error"]["line"] == 5

    def test_nothing_in_is_nothing_out(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "none.jsonl").write_bytes(b"\n")
        result = cli("decide", "--jsonl", "none.jsonl")
        assert (result.exit_code, result.output) == (0, "")

    def test_rows_carry_documents_metadata_history_and_attachments(self, cli: Cli) -> None:
        requests: list[dict[str, Any]] = [
            {"id": 1, "text": "a", "documents": [{"id": "d", "text": "Write to kim@example.org"}]},
            {"id": 2, "messages": [{"role": "user", "content": "kim@example.org"}, {"role": "user", "content": "b"}]},
            {"id": 3, "text": "c", "attachments": [{"type": "image"}]},
        ]
        found = [row["findings"] for row in lines_of(cli("decide", "--jsonl", "-", input=jsonl(*requests)).stdout)]
        assert {"kind": "pii", "rule": "EMAIL_ADDRESS", "where": "document"} in found[0]
        assert {"kind": "pii", "rule": "EMAIL_ADDRESS", "where": "history"} in found[1]
        assert found[2][0]["kind"] == "attachment"

    def test_a_row_that_breaks_the_decider_does_not_end_the_run(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decide = tiergraph.decider.Decider.decide

        def broken(self: Any, text: str | None = None, **more: Any) -> Any:
            if text == "boom":
                raise RuntimeError("4111 1111 1111 1111")
            return decide(self, text, **more)

        monkeypatch.setattr(tiergraph.decider.Decider, "decide", broken)
        result = cli("decide", "--jsonl", "-", input=jsonl({"id": 1, "text": "boom"}, GOOD))
        bad, good = lines_of(result.stdout)
        assert bad["error"] == {"code": "internal", "message": "RuntimeError", "line": 1}
        assert good["id"] == "good"

    def test_a_line_over_the_limit_is_bad_and_the_next_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import io

        monkeypatch.setattr(rows, "MAX_LINE", 100)
        read = list(rows.read_rows(io.BytesIO(b"x" * 350 + b"\n" + jsonl(GOOD) + b"y" * 101)))
        assert [getattr(row, "code", "row") for row in read] == ["too_long", "row", "too_long"]
        assert [row.line for row in read] == [1, 2, 3]

    def test_output_is_utf8_and_json_whatever_is_in_it(self) -> None:
        data = json_bytes({"id": "\ud83d \x00 é \u2028", "n": 1.5})
        assert json.loads(data.decode("utf-8")) == {"id": "\ufffd \x00 é \u2028", "n": 1.5}
        assert data.count(b"\n") == 1
        with pytest.raises(ValueError, match="JSON compliant"):
            json_bytes(float("nan"))


class TestProcess:
    """As a user starts it, with the embedded model."""

    @pytest.fixture
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """``decide --jsonl -`` with pipes at its ends; killed after a minute, so that nothing waits for ever."""
        command = [sys.executable, "-m", "tiergraph.cli", "decide", "--jsonl", "-"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment()) as process:
            timer = threading.Timer(60, process.kill)
            timer.start()
            yield process
            timer.cancel()
            process.kill()

    def test_rows_stream_one_by_one_in_order(self, running: subprocess.Popen[bytes]) -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in range(3):  # each answer is read before the next row is written
            running.stdin.write(jsonl({"id": number, "text": f"Where is parcel {number}?"}))
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["id"] == number
        running.stdin.close()
        assert running.wait(timeout=30) == 0

    def test_a_reader_that_goes_away_is_no_noise(self, running: subprocess.Popen[bytes]) -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(jsonl(GOOD))
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        running.stdin.write(jsonl(*[GOOD] * 50))
        running.stdin.close()
        assert running.stderr.read() == b""
        assert running.wait(timeout=30) == 1

    def test_the_embedded_model_decides_and_stdout_is_only_json(self, tmp_path: Path) -> None:
        (tmp_path / "rows.jsonl").write_bytes(jsonl(GOOD, b"?\n"))
        result = process("decide", "--jsonl", "rows.jsonl", cwd=tmp_path)
        good, bad = lines_of(result.stdout.decode())
        assert result.returncode == 1
        assert one_line(result.stderr.decode())
        assert good["source"] == "model"
        assert 0 <= good["score"] <= 1
        assert bad["error"]["line"] == 2
        wanted = {
            *("id", "tier", "source", "confidence", "score", "tier_probabilities", "findings", "allowed", "reason"),
            *("proposal", "latency_ms", "config_digest"),
        }
        assert wanted <= set(good)

    def test_output_is_utf8_in_any_locale(self) -> None:
        rows = jsonl({"id": "größe", "text": "Wo ist mein Paket?"})
        result = process("decide", "--jsonl", "-", input=rows, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
        assert json.loads(result.stdout.decode("utf-8"))["id"] == "größe"


class TestAsk:
    @pytest.fixture
    def docs(self, tmp_path: Path) -> Path:
        folder = tmp_path / "docs"
        folder.mkdir()
        (folder / "refunds.md").write_text("Refunds take 5 working days after we get the parcel.\n", encoding="utf-8")
        (folder / "hours.txt").write_text("The phone line is open from 8:00 to 18:00 on weekdays.\n", encoding="utf-8")
        return folder

    @pytest.fixture(autouse=True)
    def retrieving(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            tiergraph.decider, "load_proposer", lambda config: ScriptedProposer(config.ladder, needs_retrieval=True)
        )

    def test_the_answer_and_then_what_it_took(self, cli: Cli, docs: Path) -> None:
        result = cli("ask", "How long do refunds take?", "--docs", str(docs))
        assert result.exit_code == 0
        assert "5 working days" in result.stdout
        assert re.match(r"tier quote · answered · \$0\.0000 · \d+ ms", result.stdout.splitlines()[-1])
        assert widest(result.stdout) <= 80

    def test_text_files_and_jsonl_are_documents_too(self, cli: Cli, docs: Path, tmp_path: Path) -> None:
        assert "8:00 to 18:00" in cli("ask", "When is the phone line open?", "--docs", str(docs)).stdout
        file = tmp_path / "docs.jsonl"
        file.write_bytes(b"\xef\xbb\xbf" + jsonl({"id": "hours", "text": "The phone line is open from 9:00 to 17:00."}))
        assert "9:00 to 17:00" in cli("ask", "When is the phone line open?", "--docs", str(file)).stdout

    @pytest.mark.parametrize("line", [b"nope\n", b'{"id": "x"}\n', b'"x"\n', b"\xff\n"])
    def test_bad_documents_name_the_file(self, cli: Cli, tmp_path: Path, line: bytes) -> None:
        (tmp_path / "docs.jsonl").write_bytes(line)
        result = cli("ask", "hello", "--docs", "docs.jsonl")
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert "docs.jsonl" in result.stderr

    def test_json_is_answer_and_record_as_the_schema_publishes_it(self, cli: Cli, docs: Path) -> None:
        schema = json.loads(cli("schema", "--what", "record").stdout)
        for question in ("How long do refunds take?", "I want to talk to a human", "Who was Ada Lovelace?"):
            out = json.loads(cli("ask", question, "--docs", str(docs), "--json").stdout)
            assert set(out) == {"answer", "routing"}
            jsonschema.validate(out["routing"], schema)

    def test_without_an_answer_it_says_why(self, cli: Cli) -> None:
        assert "human · why: human_request" in cli("ask", "Let me talk to a person please").stdout.splitlines()[-1]


def uncommented(text: str) -> str:
    """The example with every setting that is off turned on; a later one of the same name wins."""
    return re.sub(r"^#(?=  +[-\w]|[a-z_]+:)", "", text, flags=re.MULTILINE)


class TestInitAndCheck:
    def test_what_init_writes_passes_check(self, cli: Cli) -> None:
        assert cli("init").exit_code == 0
        result = cli("check", "router.yaml")
        assert result.exit_code == 0
        assert widest(result.stdout) <= 80
        assert re.search(r"^quote .* yes *$", result.stdout, re.MULTILINE)
        assert "canary passed" in result.stdout

    @pytest.mark.loopback  # whether Ollama listens is asked of the loopback address
    def test_with_every_setting_turned_on_it_passes_too(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JUDGE_API_KEY", "k")
        cli("init")
        text = uncommented((tmp_path / "router.yaml").read_text(encoding="utf-8"))
        text = text.replace("  salt: null\n", "")
        for key in ("model: embedded", "gpu_layers: 0", "adapter: my-lora.gguf", "adapter_scale: 1.0", "heads: "):
            text = re.sub(rf"^  {key}.*\n", "", text, flags=re.MULTILINE)  # what `chain` stands instead of
        (tmp_path / "router.yaml").write_text(text, encoding="utf-8")
        report = json.loads(cli("check", "router.yaml", "--json").stdout)
        assert [tier["name"] for tier in report["tiers"]] == ["quote", "compose", "local", "frontier"]
        assert [tier["reachable"] for tier in report["tiers"]] == [True, True, False, False]
        assert any(warning.startswith("legal: top") for warning in report["warnings"])
        assert widest(cli("check", "router.yaml").stdout) <= 80

    def test_every_key_is_shown(self, cli: Cli, tmp_path: Path) -> None:
        from tiergraph.config import RouterConfig

        cli("init")
        text = (tmp_path / "router.yaml").read_text(encoding="utf-8")
        missing = [key for key in _keys(RouterConfig.model_json_schema()) if not re.search(rf"\b{key}:", text)]
        assert missing == []

    @pytest.mark.parametrize("command", [("decide",), ("ask",)])
    def test_the_router_yaml_of_this_folder_holds_where_no_other_is_named(
        self, cli: Cli, tmp_path: Path, command: tuple[str, ...]
    ) -> None:
        rule = "policy: {rules: [{id: mine, when: {keywords: [parcel]}, effect: human}]}\n"
        (tmp_path / "router.yaml").write_text(_two_tiers() + rule, encoding="utf-8")
        said = json.loads(cli(*command, "where is my parcel", "--json").stdout)
        assert said.get("routing", said)["reason"] == "rule:mine:human"

    def test_a_judge_whose_key_is_missing_fails_the_check(self, cli: Cli, tmp_path: Path) -> None:
        judge = 'cascade: {judge: {model: "openai:m", location: external, api_key: "${NO_SUCH_KEY}"}}\n'
        (tmp_path / "router.yaml").write_text(_two_tiers() + judge, encoding="utf-8")
        result = cli("check", "router.yaml")
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert "NO_SUCH_KEY" in result.stderr

    def test_init_keeps_what_is_there(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "router.yaml").write_text("mine\n", encoding="utf-8")
        result = cli("init")
        assert result.exit_code == 2
        assert one_line(result.stderr)
        assert (tmp_path / "router.yaml").read_text(encoding="utf-8") == "mine\n"
        assert cli("init", "--force").exit_code == 0
        assert (tmp_path / "router.yaml").read_text(encoding="utf-8") != "mine\n"

    def test_against_prints_what_changed_and_no_secret(self, cli: Cli, tmp_path: Path) -> None:
        new = _two_tiers() + "profile: quality\nrecord: {salt: s3cret-one}\n"
        (tmp_path / "old.yaml").write_text(_two_tiers() + "record: {salt: s3cret-two}\n", encoding="utf-8")
        (tmp_path / "new.yaml").write_text(new, encoding="utf-8")
        changes = json.loads(cli("check", "new.yaml", "--against", "old.yaml", "--json").stdout)["against"]["changes"]
        assert changes == {
            "profile": {"old": "balanced", "new": "quality"},
            "record.salt": {"old": "(not shown)", "new": "(not shown)"},
        }
        result = cli("check", "new.yaml", "--against", "old.yaml")
        assert "profile" in result.stdout
        assert "s3cret" not in result.output
        assert "No change." in cli("check", "new.yaml", "--against", "new.yaml").stdout

    @pytest.mark.parametrize(
        ("config", "warned"),
        [
            (
                "tiers:\n  - {name: a, model: 'openai:x', location: external, base_url: 'https://example.invalid'}\n"
                "  - {name: b, model: 'openai:y', location: external, base_url: 'https://example.invalid'}\n",
                "pii: on_prem, and no on-prem tier",
            ),
            (_two_tiers() + "  - {name: top, model: 'openai:x', location: external}\n", "legal: top, and 'top'"),
            (_two_tiers() + "cascade: {judge: none}\n", "every draft is accepted"),
            (_two_tiers() + "retrieval: {location: external}\n", "without documents"),
            (_two_tiers() + "record: {salt: abc}\n", "record.salt is written out"),
            (
                _two_tiers()
                + "policy: {rules: [{id: r, when: {keywords: [x]}, effect: exclude, tiers: [low, high]}]}\n",
                "excludes every tier",
            ),
        ],
    )
    def test_it_warns_of_what_cannot_work(self, cli: Cli, tmp_path: Path, config: str, warned: str) -> None:
        (tmp_path / "router.yaml").write_text(config, encoding="utf-8")
        assert any(warned in text for text in json.loads(cli("check", "--json").stdout)["warnings"])

    def test_the_embedded_model_passes_its_canary_and_there_is_nothing_to_warn_of(self, tmp_path: Path) -> None:
        assert process("init", cwd=tmp_path).returncode == 0
        result = process("check", "router.yaml", "--json", cwd=tmp_path)
        report = json.loads(result.stdout)
        assert [(model["name"], model["canary"]) for model in report["router_models"]] == [("embedded", "passed")]
        assert report["warnings"] == []
        assert result.stderr == b""


def _keys(schema: dict[str, Any]) -> set[str]:
    models = [schema, *schema["$defs"].values()]
    return {key for model in models for key in model.get("properties", {})}


class TestSchema:
    @pytest.mark.parametrize("what", ["proposal", "decision", "config", "record"])
    def test_every_schema_is_a_schema(self, cli: Cli, what: str) -> None:
        schema = json.loads(cli("schema", "--what", what).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)

    def test_the_example_validates_against_the_schema_of_the_config(self, cli: Cli, tmp_path: Path) -> None:
        import yaml

        cli("init")
        value = yaml.safe_load((tmp_path / "router.yaml").read_text(encoding="utf-8"))
        jsonschema.validate(value, json.loads(cli("schema", "--what", "config").stdout))

    def test_allowed_names_the_tiers(self, cli: Cli) -> None:
        schema = json.loads(cli("schema", "--allowed", "a, b").stdout)
        assert schema["properties"]["tier"]["enum"] == ["a", "b"]
