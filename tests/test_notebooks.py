"""The notebooks run from top to bottom, in a fresh kernel, offline; they are committed without outputs."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tiergraph.suites import data_folder, find

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KERNEL = "tiergraph-tests"
SECONDS = 900  # for one cell, on a machine that has other work
RECORDED = "llmrouter-pair"  # the suite of public data that 02 reads where it is there

# Runs first in the kernel: whoever reaches for the network is stopped, and named in a file even if that is swallowed.
OFFLINE = """
def _offline():
    import ipaddress, os, socket

    def guard(name, where):
        real = getattr(socket.socket, name)

        def guarded(self, *args):
            host = args[where][0] if self.family in (socket.AF_INET, socket.AF_INET6) else "127.0.0.1"
            try:
                local = host in ("localhost", "") or ipaddress.ip_address(host).is_loopback
            except ValueError:
                local = False
            if not local:
                refuse(host)
            return real(self, *args)

        setattr(socket.socket, name, guarded)

    def refuse(host):
        with open(os.environ["TIERGRAPH_TEST_REFUSED"], "a") as file:
            file.write(f"{host}\\n")
        raise OSError(f"{host}: the network is off in this test")

    def look_up(host, *args, real=socket.getaddrinfo, **options):
        if host not in ("localhost", "127.0.0.1", "::1", "", None):
            refuse(host)
        return real(host, *args, **options)

    guard("connect", 0), guard("connect_ex", 0), guard("sendto", -1)
    socket.getaddrinfo = look_up


_offline()
del _offline
"""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(path: Path, tmp_path: Path, *, data: str | None) -> Any:
    """The notebook with its outputs, run by this Python in an empty folder that it has to leave empty."""
    specs, home, work, temporary = (tmp_path / name for name in ("kernels", "home", "work", "temporary"))
    startup = home / "profile_default" / "startup"
    for folder in (specs / KERNEL, startup, work, temporary):
        folder.mkdir(parents=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": arguments, "display_name": KERNEL, "language": "python"}
    (specs / KERNEL / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    (startup / "00-offline.py").write_text(OFFLINE, encoding="utf-8")
    refused = tmp_path / "refused.txt"

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TIERGRAPH_", "JUPYTER_"))}
    settings = {"IPYTHONDIR": str(home), "TMPDIR": str(temporary), "TIERGRAPH_TEST_REFUSED": str(refused)}
    if data is not None:
        settings["TIERGRAPH_DATA"] = data
    manager = AsyncKernelManager(
        kernel_name=KERNEL,
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False),
        connection_file=str(tmp_path / "connection.json"),
    )
    notebook = read(path)
    client = NotebookClient(notebook, km=manager, timeout=SECONDS, startup_timeout=SECONDS)
    client.execute(env={**kept, **settings}, cwd=str(work))
    assert not refused.exists(), f"reached for the network: {refused.read_text()}"
    assert not list(work.iterdir()), "wrote into the folder that it was started in"
    return notebook


def check_outputs(notebook: Any) -> None:
    """Nothing went to stderr, nothing looks like an error, and every plot is there."""
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{cell.id} wrote to stderr: {output.text}"
            assert "Traceback" not in json.dumps(output), f"{cell.id} shows a traceback"
        if cell.id.startswith("plot-"):
            assert pictures(cell), f"{cell.id} shows no picture"


def pictures(cell: Any) -> list[str]:
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


def test_there_are_notebooks(repo_root: Path) -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_committed_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert not cell.metadata, f"{cell.id} has metadata"
    for cell in code(notebook):
        assert cell.outputs == [], f"{cell.id} has outputs"
        assert cell.execution_count is None, f"{cell.id} has an execution count"
    text = path.read_text(encoding="utf-8")
    written = json.loads(text)  # nbformat mends ids that are missing or come twice
    ids = [cell.get("id") for cell in written["cells"]]
    assert len(set(ids) - {None}) == len(ids), "a cell without an id, or two of one id"
    tidy = json.dumps(written, ensure_ascii=False, indent=1) + "\n"
    assert text == tidy, "not the tidy JSON: an indent of 1 and a newline at the end"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_plot_is_looked_for(path: Path) -> None:
    for cell in code(read(path)):
        drawn = ".plot(" in cell.source
        assert drawn == cell.id.startswith(("plot-", "recorded-curve")), f"{cell.id}: rename it"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_what_it_needs_and_where_to_go_on(path: Path) -> None:
    cells = read(path).cells
    assert "tiergraph[notebooks]" in cells[0].source
    assert "**Time:**" in cells[0].source
    links = re.findall(r"\]\(([^)]+)\)", cells[-1].source)
    assert links, "the last cell points nowhere"
    assert all((FOLDER / link).is_file() for link in links), links


def test_the_page_lists_all(repo_root: Path) -> None:
    page = (repo_root / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((\w+\.ipynb)\)", page)) == {path.name for path in NOTEBOOKS}


@pytest.mark.loopback
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_in_a_bare_clone(path: Path, tmp_path: Path) -> None:
    notebook = run(path, tmp_path, data=None)
    check_outputs(notebook)
    for cell in code(notebook):
        if cell.id.startswith("recorded"):
            assert "Left out" in json.dumps(cell.outputs), f"{cell.id} does not say that it was left out"


@pytest.mark.loopback
def test_it_reads_public_data_where_that_is_there(tmp_path: Path, repo_root: Path) -> None:
    folder = data_folder()
    if folder is None:
        pytest.skip("TIERGRAPH_DATA is not set")
    if missing := [file for file in find(RECORDED).needs if not (folder / file).is_file()]:
        pytest.skip(f"TIERGRAPH_DATA has no {missing[0]}")
    notebook = run(repo_root / "notebooks" / "02_evaluate_a_router.ipynb", tmp_path, data=str(folder.resolve()))
    check_outputs(notebook)
    recorded = {cell.id: cell for cell in code(notebook) if cell.id.startswith("recorded")}
    assert pictures(recorded["recorded-curve"])
    assert not [id for id, cell in recorded.items() if "Left out" in json.dumps(cell.outputs)]
