"""Prompts are immutable once released: what holds that, and what the command line says of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import tiergraph.prompt_release
from tiergraph import prompting
from tiergraph.cli import app
from tiergraph.errors import ConfigError
from tiergraph.prompt_release import LOCK, packaged, problems, release, take_stock
from tiergraph.prompting import PROMPTS, USES, load_prompt, load_prompts

IN_USE = {"tier": "v1", "messages": "v2"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prompts of a small package: two in use, an older and a coming version of one."""
    files = {"tier": {"v1": "Mind the {{fence}}, say {{unsure}}."}, "messages": {"v1": "a", "v2": "b", "v3": "c"}}
    for name, versions in files.items():
        for version, text in versions.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{version}.md").write_text(text + "\n", encoding="utf-8")
    return tmp_path


def wrong(folder: Path, **options: Any) -> list[str]:
    return problems(take_stock(folder), in_use=IN_USE, **options)


def released(folder: Path) -> Path:
    release(take_stock(folder), folder, in_use=IN_USE)
    return folder


class TestReleasing:
    def test_a_prompt_in_use_has_to_be_released(self, folder: Path) -> None:
        assert [line.split(":")[0] for line in wrong(folder)] == ["prompts/tier/v1.md", "prompts/messages/v2.md"]
        assert "Fix: `tiergraph prompts check --write-lock`" in wrong(folder)[0]
        assert wrong(folder, unreleased=False) == []

    def test_releasing_locks_every_version_up_to_the_one_in_use(self, folder: Path) -> None:
        assert release(take_stock(folder), folder, in_use=IN_USE) == ["messages/v1", "messages/v2", "tier/v1"]
        lock = json.loads((folder / LOCK).read_text())
        assert list(lock) == ["messages/v1", "messages/v2", "tier/v1"]
        assert lock["tier/v1"] == take_stock(folder).find("tier", "v1").sha256
        assert wrong(folder) == []

    def test_releasing_again_changes_nothing(self, folder: Path) -> None:
        before = (released(folder) / LOCK).read_bytes()
        assert release(take_stock(folder), folder, in_use=IN_USE) == []
        assert (folder / LOCK).read_bytes() == before

    @pytest.mark.parametrize("key", ["tier/v1", "messages/v1"], ids=["in use", "older"])
    def test_an_edit_of_a_released_prompt_names_the_next_version(self, folder: Path, key: str) -> None:
        file = released(folder) / f"{key}.md"
        file.write_text(file.read_text() + "More.\n")
        following = {"tier/v1": "tier/v2", "messages/v1": "messages/v4"}[key]
        (line,) = wrong(folder)
        assert line.startswith(f"prompts/{key}.md: it changed since it was released. Fix: restore it")
        assert line.endswith(f"prompts/{following}.md.")

    def test_releasing_never_changes_an_entry(self, folder: Path) -> None:
        before = json.loads((released(folder) / LOCK).read_text())
        (folder / "messages" / "v1.md").write_text("other")
        (folder / "messages" / "v3.md").write_text("now in use")
        release(take_stock(folder), folder, in_use={**IN_USE, "messages": "v3"})
        after = json.loads((folder / LOCK).read_text())
        assert {key: after[key] for key in before} == before
        assert set(after) - set(before) == {"messages/v3"}

    def test_versions_are_in_order_of_their_numbers(self, folder: Path) -> None:
        for number in range(4, 11):
            (folder / "messages" / f"v{number}.md").write_text("x")
        release(take_stock(folder), folder, in_use={"messages": "v10"})
        assert list(json.loads((folder / LOCK).read_text())) == [f"messages/v{number}" for number in range(1, 11)]

    def test_a_released_prompt_that_is_gone_is_missed(self, folder: Path) -> None:
        (released(folder) / "messages" / "v1.md").unlink()
        assert wrong(folder) == ["prompts/messages/v1.md: it was released and is gone. Fix: restore it."]

    def test_line_ends_of_another_system_are_no_edit(self, folder: Path) -> None:
        file = released(folder) / "tier" / "v1.md"
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        assert wrong(folder) == []

    def test_a_version_that_is_not_yet_in_use_may_change(self, folder: Path) -> None:
        (released(folder) / "messages" / "v3.md").write_text("another wording")
        assert wrong(folder) == []


class TestChecking:
    def test_a_version_in_use_has_to_be_there(self, folder: Path) -> None:
        stock = take_stock(released(folder))
        (line,) = problems(stock, in_use={"messages": "v7"})
        assert line == (
            "prompts/messages/v7.md: it is in use and not there. "
            "Fix: use one of ['v1', 'v2', 'v3'] in PROMPTS, or write it."
        )

    @pytest.mark.parametrize("text", ["No variable.", "{{fence}} {{unsure}} {{more}}"], ids=["missing", "more"])
    def test_the_variables_are_just_those_of_the_code(self, folder: Path, text: str) -> None:
        (folder / "tier" / "v1.md").write_text(text)
        (line,) = wrong(folder, unreleased=False)
        assert line.startswith("prompts/tier/v1.md: It asks for [")
        assert "the code has ['fence', 'unsure']. Fix: write just those" in line

    def test_a_prompt_in_use_says_which_variables_the_code_has(self, folder: Path) -> None:
        shutil.copytree(folder / "tier", folder / "unheard")
        (line,) = problems(take_stock(folder), unreleased=False, in_use={"unheard": "v1"})
        assert line.endswith("Fix: name 'unheard' in USES.")

    @pytest.mark.parametrize(
        ("file", "content", "said"),
        [
            ("tier/v1.md", b"{{Fence}}", "Double braces"),
            ("tier/v1.md", b"\xff", "not UTF-8"),
            ("messages/v3.md", b" \n", "empty"),
            ("messages/draft.md", b"x", "no version of a prompt. Fix: prompts/NAME/v1.md."),
            ("messages/v01.md", b"x", "no version"),
            ("messages/v4.txt", b"x", "no version"),
            ("messages/v4", b"x", "no version"),
            ("Other/v1.md", b"x", "no version"),
        ],
    )
    def test_a_file_that_is_no_prompt_is_one_line(self, folder: Path, file: str, content: bytes, said: str) -> None:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
        (line,) = wrong(folder, unreleased=False)
        assert line.startswith(f"prompts/{file}: ")
        assert said in line

    @pytest.mark.parametrize("content", ["{", "[]", '{"tier": "x"}', '{"tier/v1": 7}', '{"tier/v1": "abc"}'])
    def test_a_lock_that_cannot_be_read_is_a_problem_and_releases_nothing(self, folder: Path, content: str) -> None:
        (folder / LOCK).write_text(content)
        (line,) = wrong(folder, unreleased=False)
        assert line.startswith(f"prompts/{LOCK}: ")

    def test_what_is_beside_the_prompts_is_left_alone(self, folder: Path) -> None:
        (folder / "__init__.py").write_text("")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "x.pyc").write_bytes(b"")
        assert wrong(folder, unreleased=False) == []


class TestTheCode:
    def test_every_prompt_in_use_loads_and_renders_with_the_variables_of_the_code(self) -> None:
        for name, prompt in load_prompts().items():
            assert prompt.variables == USES[name].variables
            prompt.render(**dict.fromkeys(USES[name].variables, "x"))

    def test_every_use_is_of_a_module_that_is_there(self) -> None:
        from test_layout import sources

        assert set(USES) == set(PROMPTS)
        assert {use.module for use in USES.values()} <= {name.removeprefix("tiergraph.") for name in sources()}

    def test_a_prompt_in_use_with_other_variables_does_not_load(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prompting, "USES", {"tier": prompting.Use(frozenset({"fence"}), "handoff")})
        load_prompt.cache_clear()
        with pytest.raises(ConfigError, match=r"asks for \['fence', 'unsure'\], and the code has \['fence'\]"):
            load_prompt("tier", PROMPTS["tier"])
        load_prompt.cache_clear()

    def test_an_older_version_may_have_other_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prompting, "PROMPTS", {"tier": "v99"})
        monkeypatch.setattr(prompting, "USES", {"tier": prompting.Use(frozenset(), "handoff")})
        load_prompt.cache_clear()
        assert load_prompt("tier", "v1").variables
        load_prompt.cache_clear()

    def test_the_prompts_of_the_package_hold_together(self) -> None:
        assert problems(take_stock(packaged())) == []


Cli = Callable[..., Result]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Cli:
    """``tiergraph prompts`` over the small package, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(tiergraph.prompt_release, "packaged", lambda: folder)
    monkeypatch.setattr(prompting, "PROMPTS", IN_USE)
    return lambda *args: CliRunner().invoke(app, ["prompts", *args])


def widest(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


class TestCommands:
    @pytest.mark.parametrize(
        "command", [(), ("list",), ("show",), ("check",)], ids=["prompts", "list", "show", "check"]
    )
    def test_every_command_has_help_with_an_example_at_80_columns(self, cli: Cli, command: tuple[str, ...]) -> None:
        result = cli(*command, "--help")
        assert result.exit_code == 0
        assert "Example: tiergraph prompts" in " ".join(result.stdout.split())
        assert widest(result.stdout) <= 80

    def test_without_a_command_the_help_names_them(self, cli: Cli) -> None:
        result = cli()
        assert result.exit_code == 0
        assert all(command in result.stdout for command in ("list", "show", "check"))

    def test_list_prints_every_version_and_who_uses_it(self, cli: Cli, folder: Path) -> None:
        lines = cli("list").stdout.splitlines()
        sha256 = take_stock(folder).find("tier", "v1").sha256
        assert len(lines) == 5
        assert lines[-1].split() == ["tier", "v1", "fence,", "unsure", sha256[:8], "no", "handoff"]
        assert [line.split()[-1] for line in lines[1:4]] == ["-", "nodes", "-"]
        assert widest("\n".join(lines)) <= 80

    def test_list_as_json_has_whole_digests(self, cli: Cli, folder: Path) -> None:
        released(folder)
        rows = json.loads(cli("list", "--json").stdout)
        assert [(row["name"], row["version"], row["released"]) for row in rows] == [
            ("messages", "v1", True),
            ("messages", "v2", True),
            ("messages", "v3", False),
            ("tier", "v1", True),
        ]
        assert rows[3]["variables"] == ["fence", "unsure"]
        assert {len(row["sha256"]) for row in rows} == {64}

    def test_the_packaged_list_fits_80_columns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        result = CliRunner().invoke(app, ["prompts", "list"])
        assert all(name in result.stdout for name in PROMPTS)
        assert widest(result.stdout) <= 80

    def test_show_prints_the_text_alone_on_stdout(self, cli: Cli) -> None:
        result = cli("show", "tier")
        assert result.stdout == "Mind the {{fence}}, say {{unsure}}.\n"
        assert result.stderr.startswith("tier/v1, sha256 ")
        assert result.stderr.endswith("variables: fence, unsure\n")

    def test_show_takes_the_version_in_use_unless_told(self, cli: Cli) -> None:
        assert cli("show", "messages").stdout == "b\n"
        assert cli("show", "messages", "--version", "v3").stdout == "c\n"
        assert json.loads(cli("show", "messages", "--json").stdout)["text"] == "b"

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (("nothing",), "There is no prompt 'nothing'. Fix: use one of ['messages', 'tier']."),
            (("tier", "--version", "v9"), "There is no version 'v9' of 'tier'. Fix: use one of ['v1']."),
            (("../secrets",), "There is no prompt '../secrets'."),
        ],
    )
    def test_show_of_what_is_not_there_is_one_line(self, cli: Cli, args: tuple[str, ...], said: str) -> None:
        result = cli("show", *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1

    def test_show_of_a_broken_prompt_says_what_is_wrong(self, cli: Cli, folder: Path) -> None:
        (folder / "tier" / "v1.md").write_text("{{Fence}}")
        result = cli("show", "tier")
        assert result.exit_code == 2
        assert "Double braces" in result.stderr

    def test_check_ends_with_2_and_a_line_per_problem(self, cli: Cli) -> None:
        result = cli("check")
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.count("\n") == 2

    def test_check_is_content_with_what_was_released(self, cli: Cli, folder: Path) -> None:
        released(folder)
        result = cli("check")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "4 prompts, none with a problem.\n"

    def test_check_releases_when_told(self, cli: Cli, folder: Path) -> None:
        result = cli("check", "--write-lock")
        assert result.exit_code == 0
        assert "Released in released.json: messages/v1, messages/v2, tier/v1" in result.stdout
        assert cli("check").exit_code == 0
        assert "Released" not in cli("check", "--write-lock").stdout

    def test_check_releases_nothing_while_something_is_wrong(self, cli: Cli, folder: Path) -> None:
        (released(folder) / "tier" / "v1.md").write_text("Edited {{fence}} {{unsure}}")
        before = (folder / LOCK).read_bytes()
        result = cli("check", "--write-lock")
        assert result.exit_code == 2
        assert "changed since it was released" in result.stderr
        assert (folder / LOCK).read_bytes() == before

    def test_check_releases_no_prompt_beside_a_broken_one(self, cli: Cli, folder: Path) -> None:
        (folder / "messages" / "v3.md").write_text("")
        assert cli("check", "--write-lock").exit_code == 2
        assert not (folder / LOCK).exists()

    def test_check_as_json_says_the_same(self, cli: Cli) -> None:
        result = cli("check", "--json")
        report = json.loads(result.stdout)
        assert result.exit_code == 2
        assert (report["valid"], report["prompts"], len(report["problems"])) == (False, 4, 2)
