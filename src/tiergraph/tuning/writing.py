"""What tuning leaves behind: a head, its manifest, and the user's ``router.yaml`` with a few values changed.

The file is edited as text, so that its comments and its order stay. Where that would not say the same as the edited
values do, it is written anew and its first line says what was changed.

Failure rule: nothing is overwritten unasked, and a file is there whole or not at all; the configuration, which names
the others, comes last.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergraph.config import RouterConfig, canonical, parse_config
from tiergraph.errors import ConfigError, InputError

if TYPE_CHECKING:
    from tiergraph.proposers.heads import FieldHead, LadderHead

Path_ = tuple[str | int, ...]


def check_new(paths: Sequence[Path], *, force: bool) -> None:
    """Refuse what would be overwritten, or has no folder.

    Raises:
        InputError: A file is there and ``force`` is off, or its folder is not there.
    """
    for path in paths:
        if not path.parent.is_dir():
            raise InputError(f"{path}: there is no folder {str(path.parent)!r}. Fix: make it.", code="no_folder")
        if path.exists() and not force:
            raise InputError(f"{path}: it exists. Fix: name another, or add --force.", code="exists")


def head_path(out: Path, name: str = "head") -> Path:
    """Where the head of a configuration ``out`` lies: ``tuned.head.npz`` beside ``tuned.yaml``."""
    return out.with_name(f"{out.stem}.{name}.npz")


def write_tuned(head: LadderHead | FieldHead, file: Path, text: str, out: Path) -> str:
    """The head with its manifest, then the configuration, each whole; gives the sha256 of the head.

    Args:
        head: What was fitted.
        file: Where it goes; its manifest goes beside it.
        text: Of the configuration.
        out: Where that goes.
    """
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tiergraph-tune-") as folder:
        made = Path(folder) / file.name
        digest = head.save(made)
        config = Path(folder) / out.name
        config.write_text(text, encoding="utf-8")
        for part, place in ((made, file), (made.with_suffix(".json"), file.with_suffix(".json")), (config, out)):
            os.replace(part, place)
    return digest


def changed_text(text: str, changes: Mapping[Path_, Any], *, name: str) -> str:
    """The text of a configuration with other values at some paths, such as ``("router", "heads")``.

    Args:
        name: Of the file, for the first line and for errors.

    Raises:
        ConfigError: With these values it is no configuration.
    """
    import yaml

    wanted = _unshared(yaml.safe_load(text))
    for path, value in changes.items():
        _put(wanted, path, value)
    written = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True, width=120)
    meant = parse_config(written, file=name)
    edited = text
    try:
        for path, value in changes.items():
            edited = _edited(edited, path, _flow(value))
        if _same(parse_config(edited, file=name), meant):
            return edited
    except (ConfigError, yaml.YAMLError, LookupError):
        pass  # an anchor, a tag or a form that was not thought of
    what = ", ".join(".".join(map(str, path)) for path in changes)
    return f"# Written by `tiergraph tune` from {name}, whose comments are lost. Changed: {what}.\n{written}"


def _same(one: RouterConfig, other: RouterConfig) -> bool:
    return canonical(one) == canonical(other)


def _flow(value: Any) -> str:
    """A number, a text or a list on one line: JSON, which YAML reads."""
    return json.dumps(value, ensure_ascii=False)


def _unshared(value: Any) -> Any:
    """A copy in which what an anchor gave to several places is there several times."""
    if isinstance(value, dict):
        return {key: _unshared(held) for key, held in value.items()}
    return [_unshared(held) for held in value] if isinstance(value, list) else value


def _put(data: Any, path: Path_, value: Any) -> None:
    for part in path[:-1]:
        if isinstance(part, str) and data.get(part) is None:
            data[part] = {}
        data = data[part]
    data[path[-1]] = value


def _edited(text: str, path: Path_, value: str) -> str:
    """``text`` with ``value`` at ``path``; raises `LookupError` where there is no place for it."""
    import yaml

    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for depth, part in enumerate(path):
        if isinstance(node, yaml.SequenceNode):
            node = node.value[part]
            continue
        if not isinstance(node, yaml.MappingNode):
            raise LookupError(part)
        found = next((held for key, held in node.value if key.value == part), None)
        if found is None or _is_null(found):
            rest = value
            for inner in reversed(path[depth + 1 :]):
                rest = f"{{{inner}: {rest}}}"
            return _filled(text, found, rest) if found is not None else _inserted(text, node, str(part), rest)
        node = found
    start, end = node.start_mark.index, _end(node)
    return text[:start] + value + text[end:]


def _is_null(node: Any) -> bool:
    return bool(node.tag.endswith(":null"))


def _filled(text: str, node: Any, value: str) -> str:
    """A key that stands without a value, or with ``null``, gets one."""
    start, end = node.start_mark.index, node.end_mark.index
    space = "" if text[:start].endswith(" ") else " "
    return text[:start] + space + value + text[end:]


def _end(node: Any) -> int:
    """Where a value ends in the text; a block ends with its last part, not with the comments after it."""
    import yaml

    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _inserted(text: str, mapping: Any, key: str, value: str) -> str:
    """A further key of a mapping: after ``model`` where it has one, else in front of the first."""
    if mapping.flow_style:
        end = mapping.end_mark.index - 1
        return text[:end].rstrip() + (", " if mapping.value else "") + f"{key}: {value}" + text[end:]
    first = mapping.value[0][0]
    margin = " " * first.start_mark.column
    model = next((held for name, held in mapping.value if name.value == "model"), None)
    if model is not None and model.start_mark.line == model.end_mark.line:
        end = text.find("\n", model.end_mark.index)
        end = len(text) if end < 0 else end
        return f"{text[:end]}\n{margin}{key}: {value}{text[end:]}"
    start = first.start_mark.index
    return f"{text[:start]}{key}: {value}\n{margin}{text[start:]}"
