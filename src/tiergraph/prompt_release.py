"""Which prompts there are, and whether each keeps to what the code and the lock say of it.

The lock, ``prompts/released.json``, maps ``NAME/vN`` to the sha256 of every released version. A released prompt stands
in records that people keep: an edit of it is an error, and a change is a new file with the next number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tiergraph.errors import ConfigError
from tiergraph.prompting import PROMPTS, USES, Prompt, check_variables, make_prompt

LOCK = "released.json"

_VERSION = re.compile(r"v([1-9][0-9]{0,5})")
_FOLDER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SHA = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The prompts of one folder.

    Attributes:
        prompts: Those that can be read, by name and then number.
        released: ``NAME/vN`` to sha256, from the lock.
        broken: ``NAME/vN`` to what is wrong, for those that cannot be read.
        problems: What is wrong with files that are no prompts, and with the lock.
    """

    prompts: tuple[Prompt, ...]
    released: Mapping[str, str]
    broken: Mapping[str, str]
    problems: tuple[str, ...]

    def versions(self, name: str) -> list[str]:
        """Versions of a prompt that can be read, oldest first."""
        return [prompt.version for prompt in self.prompts if prompt.name == name]

    def find(self, name: str, version: str) -> Prompt | None:
        return next((prompt for prompt in self.prompts if (prompt.name, prompt.version) == (name, version)), None)


def packaged() -> Traversable:
    """The folder of the package's prompts: that of the checkout where it is installed editable."""
    return files("tiergraph.prompts")


def take_stock(folder: Traversable) -> Inventory:
    """Read every prompt of a folder, and its lock. What is wrong is kept, not raised."""
    prompts: list[Prompt] = []
    broken: dict[str, str] = {}
    released, problems = _read_lock(folder)
    for place in sorted(folder.iterdir(), key=lambda one: one.name):
        if not place.is_dir() or place.name.startswith(("_", ".")):
            continue
        for file in place.iterdir():
            key = f"{place.name}/{file.name.removesuffix('.md')}"
            version = key.rpartition("/")[2]
            if not (_FOLDER.fullmatch(place.name) and _VERSION.fullmatch(version) and file.name.endswith(".md")):
                problems.append(
                    f"prompts/{place.name}/{file.name}: this is no version of a prompt. Fix: prompts/NAME/v1.md."
                )
                continue
            try:
                prompts.append(_read(file, place.name, version))
            except ConfigError as error:
                broken[key] = str(error)
    prompts.sort(key=lambda prompt: (prompt.name, _number(prompt.version)))
    return Inventory(prompts=tuple(prompts), released=released, broken=broken, problems=tuple(sorted(problems)))


def problems(stock: Inventory, *, unreleased: bool = True, in_use: Mapping[str, str] = PROMPTS) -> list[str]:
    """What is wrong, a line each with its fix; none is an empty list.

    Args:
        stock: From `take_stock`.
        unreleased: Whether a prompt in use that the lock does not have counts.
        in_use: Name to version.
    """
    return [
        *stock.problems,
        *stock.broken.values(),
        *(line for name, version in in_use.items() for line in _in_use(stock, name, version, unreleased)),
        *(line for key, sha256 in stock.released.items() for line in _released(stock, key, sha256)),
    ]


def release(stock: Inventory, folder: Path, *, in_use: Mapping[str, str] = PROMPTS) -> list[str]:
    """Add to the lock every version up to the one in use that it does not have, and return their keys.

    Entries that it has are never changed, so call it where `problems` without the unreleased ones are none.
    """
    new = {
        f"{prompt.name}/{prompt.version}": prompt.sha256
        for prompt in stock.prompts
        if prompt.name in in_use and _number(prompt.version) <= _number(in_use[prompt.name])
    }
    added = [key for key in new if key not in stock.released]
    if added:
        whole = {**new, **stock.released}
        ordered = {key: whole[key] for key in sorted(whole, key=_key)}
        (folder / LOCK).write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    return added


def _in_use(stock: Inventory, name: str, version: str, unreleased: bool) -> list[str]:
    key, file = f"{name}/{version}", f"prompts/{name}/{version}.md"
    if key in stock.broken:
        return []
    prompt = stock.find(name, version)
    if prompt is None:
        there = stock.versions(name)
        fix = f"use one of {there} in PROMPTS, or write it" if there else "write it"
        return [f"{file}: it is in use and not there. Fix: {fix}."]
    found = []
    if name not in USES:
        found.append(f"{file}: the code does not say which variables it has. Fix: name {name!r} in USES.")
    try:
        check_variables(prompt)
    except ConfigError as error:
        found.append(str(error))
    if unreleased and key not in stock.released:
        found.append(f"{file}: it is in use and not released. Fix: `tiergraph prompts check --write-lock`.")
    return found


def _released(stock: Inventory, key: str, sha256: str) -> list[str]:
    name, _, version = key.partition("/")
    if key in stock.broken:
        return []
    prompt = stock.find(name, version)
    if prompt is None:
        return [f"prompts/{key}.md: it was released and is gone. Fix: restore it."]
    if prompt.sha256 == sha256:
        return []
    following = max(_number(one) for one in stock.versions(name)) + 1
    return [
        f"prompts/{key}.md: it changed since it was released. "
        f"Fix: restore it, and write the change as prompts/{name}/v{following}.md."
    ]


def _read_lock(folder: Traversable) -> tuple[dict[str, str], list[str]]:
    try:
        found = json.loads(folder.joinpath(LOCK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, []
    except (ValueError, RecursionError):  # UnicodeDecodeError is one
        return {}, [f"prompts/{LOCK}: this is not JSON. Fix: restore it."]
    if not isinstance(found, dict):
        return {}, [f"prompts/{LOCK}: this is no mapping. Fix: restore it."]
    good = {key: value for key, value in found.items() if _is_entry(key, value)}
    return good, [f"prompts/{LOCK}: {key!r} is no entry. Fix: restore it." for key in found.keys() - good.keys()]


def _is_entry(key: str, value: object) -> bool:
    name, _, version = key.partition("/")
    named = _FOLDER.fullmatch(name) and _VERSION.fullmatch(version)
    return bool(named) and isinstance(value, str) and _SHA.fullmatch(value) is not None


def _read(file: Traversable, name: str, version: str) -> Prompt:
    try:
        prompt = make_prompt(name, version, file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError("It is not UTF-8.", file=f"prompts/{name}/{version}.md", fix="save it as UTF-8.") from None
    if not prompt.text.strip():
        raise ConfigError("It is empty.", file=f"prompts/{name}/{version}.md", fix="write the prompt.")
    return prompt


def _number(version: str) -> int:
    match = _VERSION.fullmatch(version)
    return int(match[1]) if match else 0


def _key(key: str) -> tuple[str, int]:
    name, _, version = key.partition("/")
    return name, _number(version)
