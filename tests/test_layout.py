"""The layering of CONTRIBUTING.md, read from the imports, and what a package must keep to be installable and small."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import tiergraph

# In an editable installation prompts, graphs and suites stand beside src, in a wheel below the package.
ROOTS = {
    name: Path(str(files(name))) for name in ("tiergraph", "tiergraph.graphs", "tiergraph.prompts", "tiergraph.suites")
}

# The modules that may need LangGraph; every other one is importable and testable without it.
WITH_LANGGRAPH = {"tiergraph.state", "tiergraph.review", "tiergraph.nodes", "tiergraph.graph", "tiergraph.steps"}
# What decides and judges knows nothing of the graph that calls it.
INNER = ("tiergraph.proposers", "tiergraph.judges")
OUTER = ("tiergraph.nodes", "tiergraph.graph", "tiergraph.graphs", "tiergraph.commands", "tiergraph.cli")
# `import tiergraph` stays under 300 ms: what it must not bring along.
HEAVY = {"instructor", "langchain", "langchain_core", "langgraph", "llama_cpp", "openai", "presidio_analyzer", "spacy"}
HEAVY |= {"matplotlib", "numpy", "pandas", "sklearn", "torch"}
LONGEST_FILE = 1000


class Import(NamedTuple):
    """One imported name: ``module`` is the dotted module, ``names`` what is taken from it."""

    module: str
    names: tuple[str, ...]
    line: int


@cache
def sources() -> dict[str, Path]:
    """Dotted module -> its file."""
    found = {}
    for package, folder in ROOTS.items():
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))
            found[name] = file
    return found


def imports_of(module: str, *, run_time: bool = False) -> Iterator[Import]:
    """Every import of a module, those inside functions included. ``run_time`` leaves ``if TYPE_CHECKING`` out."""
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    if run_time:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped.update(inner for child in node.body for inner in ast.walk(child))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            yield Import(node.module or "", tuple(alias.name for alias in node.names), node.lineno)


def below(module: str, packages: tuple[str, ...]) -> bool:
    return module.startswith(tuple(f"{package}." for package in packages)) or module in packages


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_inner_layers_are_importable_without_langgraph() -> None:
    modules = [name for name in sources() if name not in WITH_LANGGRAPH and not below(name, ("tiergraph.graphs",))]
    assert "tiergraph.policy" in modules
    output = python(
        """
import importlib, sys

class NoLangGraph:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "langgraph":
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, NoLangGraph())
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
""",
        *modules,
    )
    assert output == ""


def test_proposers_and_judges_never_import_nodes_or_graph() -> None:
    start = [name for name in sources() if below(name, INNER)]
    reached, waiting, found = set(start), list(start), []
    while waiting:
        module = waiting.pop()
        for imported in imports_of(module, run_time=module not in start):
            for name in (imported.module, *(f"{imported.module}.{name}" for name in imported.names)):
                if below(name, OUTER):
                    found.append(f"{module}:{imported.line} imports {name}")
                elif name in sources() and name not in reached:
                    reached.add(name)
                    waiting.append(name)
    assert found == []
    assert len(start) > 5


def test_only_public_names_of_dependencies_are_imported() -> None:
    found = [
        f"{module}:{imported.line} imports {part} from {imported.module}"
        for module in sources()
        for imported in imports_of(module)
        if imported.module.split(".")[0] not in ("tiergraph", "__future__")
        for part in (*imported.module.split("."), *imported.names)
        if part.startswith("_")
    ]
    assert found == []


def test_importing_the_package_imports_nothing_heavy() -> None:
    output = python("import sys, tiergraph; print(*{name.split('.')[0] for name in sys.modules})")
    assert "tiergraph" in output.split()
    assert HEAVY & set(output.split()) == set()


def test_every_public_name_resolves() -> None:
    assert tiergraph.__all__ == sorted(tiergraph.__all__)
    assert [name for name in tiergraph.__all__ if getattr(tiergraph, name, None) is None] == []


def test_a_file_is_one_idea() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in sources().items()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_package_is_declared(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name for name, file in sources().items() if file.name == "__init__.py"}
    unmarked = {name.rpartition(".")[0] for name in sources() if "." in name} - packages
    assert unmarked == set(), "packages without an __init__.py"
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(packages)


def test_every_direct_dependency_is_pinned(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (repo_root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert [name for name, version in pins.items() if not name or not version or set(version) & set("+@/ ")] == []
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {one.split(">")[0].split("[")[0].strip().lower() for one in wanted} - {"tiergraph"}
    assert names - set(pins) == set()


def test_no_text_names_a_private_path_or_a_package_index() -> None:
    # assembled, so that this file does not name them itself
    forbidden = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/tmp/" + "bash", "py" + "pi.org", "python" + "hosted"]
    texts = {
        file
        for folder in ROOTS.values()
        for file in folder.rglob("*")
        if file.suffix in {".py", ".md", ".json", ".jsonl", ".yaml", ".toml"}
    }
    assert len(texts) > 50
    found = [(file.name, word) for file in texts for word in forbidden if word in file.read_text(encoding="utf-8")]
    assert found == []
