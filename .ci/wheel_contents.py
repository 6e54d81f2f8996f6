"""Check what a wheel holds against the source tree it was built from: ``wheel_contents.py WHEEL SOURCE``."""

from __future__ import annotations

import sys
from pathlib import Path
from zipfile import ZipFile

# folder of the source tree -> folder of the wheel; every file below with one of the suffixes must be in the wheel
CARRIED = {
    "src/tiergraph": "tiergraph",
    "prompts": "tiergraph/prompts",
    "graphs": "tiergraph/graphs",
    "evals/suites": "tiergraph/suites",
}
SUFFIXES = {".py", ".typed", ".md", ".gguf", ".json", ".jsonl", ".yaml"}
# at least so many files of each kind, so that an empty source tree is noticed too
AT_LEAST = {
    "tiergraph/prompts/*/v*.md": 1,
    "tiergraph/models/*.gguf": 1,
    "tiergraph/models/*.json": 1,
    "tiergraph/graphs/*.py": 2,
    "tiergraph/graphs/harbor/articles/*.md": 40,
    "tiergraph/graphs/harbor/*.jsonl": 1,
    "tiergraph/suites/*.jsonl": 2,
    "tiergraph/py.typed": 1,
    "*.dist-info/licenses/LICENSE": 1,
    "*.dist-info/entry_points.txt": 1,
}
LARGEST_MB = 40


def problems(wheel: Path, source: Path) -> list[str]:
    names = [Path(name) for name in ZipFile(wheel).namelist()]
    expected = {
        Path(target) / file.relative_to(source / folder)
        for folder, target in CARRIED.items()
        for file in (source / folder).rglob("*")
        if file.is_file() and file.suffix in SUFFIXES
    }
    found = [f"{name} is missing" for name in sorted(expected - set(names))]
    for pattern, count in AT_LEAST.items():
        have = sum(name.match(pattern) for name in names)
        if have < count:
            found.append(f"{have} files match {pattern}, at least {count} must")
    for name in names:
        foreign = name.parts[0] != "tiergraph" and not name.parts[0].endswith(".dist-info")
        if foreign or {"tests", "__pycache__"} & set(name.parts):
            found.append(f"{name} does not belong into the wheel")
    size = wheel.stat().st_size / 1e6
    if size > LARGEST_MB:
        found.append(f"the wheel has {size:.0f} MB, at most {LARGEST_MB} are meant")
    return found


def main() -> int:
    wheel, source = Path(sys.argv[1]), Path(sys.argv[2])
    found = problems(wheel, source)
    for problem in found:
        sys.stderr.write(f"error: {wheel.name}: {problem}\n")
    if not found:
        sys.stdout.write(f"{wheel.name} holds the code, prompts, model and graphs, and nothing else.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
