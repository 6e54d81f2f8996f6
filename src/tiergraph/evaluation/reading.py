"""Files, tables, examples and records to a `Suite`, and a suite to a file.

Failure rule: that of `collecting`. A file that cannot be opened, and a table without the columns that are needed, raise
`InputError` with path and fix.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Unpack, cast

from tiergraph.errors import InputError
from tiergraph.evaluation.case_fields import shown
from tiergraph.evaluation.case_rows import to_row
from tiergraph.evaluation.case_shapes import langsmith_shape, own_shape, record_shape, renamed
from tiergraph.evaluation.case_tables import frame_lines, places_of, read_csv_lines
from tiergraph.evaluation.cases import Case, Suite
from tiergraph.evaluation.collecting import Shape, SuiteOptions, read_tiers, suite_of
from tiergraph.evaluation.extras import require
from tiergraph.rows import Line, read_objects

if TYPE_CHECKING:
    import pandas

Source = str | PathLike[str]
Renames = Mapping[str, str | None]

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""What `read_any` knows; all but the last may end in ``.gz`` too."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_jsonl(
    path: Source,
    *,
    columns: Renames | None = None,
    strata: Collection[str] = (),
    **options: Unpack[SuiteOptions],
) -> Suite:
    """Cases from a file of one JSON object a line.

    Rows have ``id``, ``text`` or ``messages``, and what is known of the request: `case_rows.KEYS`. Routing records and
    what ``tiergraph demo --output`` writes are read too. Blank lines are passed over.

    Args:
        path: Ends in ``.gz`` where it is compressed.
        columns: Key of the file to a known key; ``None`` leaves it out.
        strata: Further keys that figures are broken down by.
        options: As `SuiteOptions`.

    Raises:
        InputError: There is no such file, or it has no row that can be used; names place and fix.
    """
    return _read_lines(path, _renaming(columns, strata), options)


def read_csv(
    path: Source,
    *,
    columns: Renames | None = None,
    strata: Collection[str] = (),
    delimiter: str | None = None,
    encoding: str = "utf-8",
    **options: Unpack[SuiteOptions],
) -> Suite:
    """Cases from a table whose first line names the columns.

    Columns are the keys of a row; what is nested is flattened: ``outcome.TIER``, ``cost.TIER``, ``draft.TIER``,
    ``expect.tier``, ``expect.pii``, ``strata.NAME``, ``metadata.NAME``, or JSON in the cell. A cell is text until its
    column says otherwise, so that the id ``007`` stays what it is. An empty cell is not known.

    Args:
        path: Ends in ``.gz`` where it is compressed.
        columns: Column of the file to a known column; ``None`` leaves it out.
        strata: Further columns that figures are broken down by.
        delimiter: One character; by default the one of comma, semicolon and tab that the header has most of.
        encoding: Of the file; a byte order mark may stand before it.
        options: As `SuiteOptions`.

    Raises:
        InputError: As `read_jsonl`; or a column is unknown or missing.
    """
    file = Path(path).name
    places = partial(places_of, renames=columns or {}, strata=strata, where=file)
    try:
        codecs.lookup(encoding)
    except LookupError:
        fix = "Fix: give utf-8, cp1252 or the like."
        raise InputError(f"Unknown encoding {encoding!r}. {fix}", code="bad_encoding") from None
    with opened(path) as stream:
        try:
            lines = read_csv_lines(stream, delimiter=delimiter, encoding=encoding, places=places)
            return suite_of(lines, _as_it_is, options, name=_stem(path), file=file)
        except UnicodeError:
            raise InputError(f"{path}: not in {encoding!r}. Fix: give its encoding=.", code="bad_encoding") from None


def read_pandas(
    frame: pandas.DataFrame,
    *,
    columns: Renames | None = None,
    strata: Collection[str] = (),
    **options: Unpack[SuiteOptions],
) -> Suite:
    """Cases from a table in memory: columns as of `read_csv`, cells that are lists and mappings as they are.

    An index that is named ``id`` is the column. Rows are counted from 1. Options and errors are those of `read_csv`.
    """
    where = options.get("file") or "the table"
    places = partial(places_of, renames=columns or {}, strata=strata, where=where)
    return suite_of(frame_lines(frame, require("pandas"), places=places), _as_it_is, options, name="table")


def read_langsmith(
    examples: Source | Iterable[Any],
    *,
    input_key: str | None = None,
    output_key: str | None = None,
    contains: bool = False,
    **options: Unpack[SuiteOptions],
) -> Suite:
    """Cases from examples of LangSmith's form.

    Outputs may hold ``tier``, ``outcome``, ``intent``, ``difficulty``, ``needs_retrieval``, ``findings``, ``outcomes``,
    ``costs`` and ``drafts``; all else in them is passed over. Short metadata and the splits become strata. An example
    without an id is named after its place.

    Args:
        examples: Mappings or objects with ``inputs`` and ``outputs``, or a file of one JSON object a line.
        input_key: Where the inputs have the request; by default one of `case_shapes.INPUT_KEYS`.
        output_key: Where the outputs have the answer; by default ``answer`` or ``output``.
        contains: Whether an answer has to contain the expected one to be right.
        options: As `SuiteOptions`.
    """

    def shape(line: Line) -> Mapping[Any, Any]:
        return langsmith_shape(line.value, line.number, input_key=input_key, output_key=output_key, contains=contains)

    if isinstance(examples, (str, PathLike)):
        return _read_lines(examples, shape, options)
    return suite_of(_numbered(examples), shape, options, name="examples")


def read_records(records: Source | Iterable[Mapping[str, Any]], **options: Unpack[SuiteOptions]) -> Suite:
    """Cases from routing records, which have no text.

    Args:
        records: Records, or rows ``{"record": ..., "text": ..., "score": ...}`` in which ``score`` is of the answer and
            ``outcomes`` may stand in its place; or a file of either, as `tiergraph.records.RecordLog` writes it.
        options: As `SuiteOptions`.
    """
    if isinstance(records, (str, PathLike)):
        return _read_lines(records, _of_record, options)
    return suite_of(_numbered(records), _of_record, options, name="records")


def read_rows(
    rows: Iterable[Mapping[str, Any]],
    *,
    columns: Renames | None = None,
    strata: Collection[str] = (),
    **options: Unpack[SuiteOptions],
) -> Suite:
    """Cases from mappings like the rows of `read_jsonl`, counted from 1; with its options."""
    return suite_of(_numbered(rows), _renaming(columns, strata), options, name="rows")


def read_any(source: Any, **options: Any) -> Suite:
    """Cases from whatever it is: a suite, a file by its suffix, a table, or rows, examples or records.

    Args:
        source: A path that ends in one of `SUFFIXES`; a pandas table; an iterable of rows of one form.
        options: Of the reader that fits.

    Raises:
        InputError: As the reader; or nothing fits, and what would is named.
    """
    if isinstance(source, Suite):
        return source
    if isinstance(source, (str, PathLike)):
        return _read_file(source, options)
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return read_pandas(source, **options)
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise InputError(
            f"A {type(source).__name__} is no suite. Fix: give a path, a pandas table or a list of rows.",
            code="bad_suite",
        )
    return _read_items(list(source), options)


def write_jsonl(suite: Suite, path: Source) -> Path:
    """The cases as rows that `read_jsonl` reads.

    What holds for the whole suite (tiers, scale, unit, title) is not in them; given again on reading, the digest of the
    suite is the same.

    Raises:
        InputError: A case holds what JSON has no form for, or both a text and messages.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json_line(to_row(case), case.id) for case in suite]
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.writelines(lines)
    return path


def _as_it_is(line: Line) -> Mapping[Any, Any]:
    return line.value


def _of_record(line: Line) -> Mapping[Any, Any]:
    return record_shape(line.value)


def _renaming(columns: Renames | None, strata: Collection[str]) -> Shape:
    return lambda line: own_shape(renamed(line.value, renames=columns or {}, strata=strata))


def _read_lines(path: Source, shape: Shape, options: SuiteOptions) -> Suite:
    with opened(path) as stream:
        return suite_of(read_objects(stream), shape, options, name=_stem(path), file=Path(path).name)


def _stem(path: Source) -> str:
    """A file's name without its suffix."""
    file = Path(path)
    return Path(file.stem).stem if file.suffix.lower() == ".gz" else file.stem


def _numbered(rows: Iterable[Any]) -> Iterator[Line]:
    return (Line(number, row) for number, row in enumerate(rows, start=1))


@contextmanager
def opened(path: Source) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it ends in ``.gz``."""
    path = Path(path)
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            yield cast(IO[bytes], stream)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: no whole gzip file. Fix: pack it again.", code="bad_file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}. Fix: check the path.", code="no_file") from None


def _read_file(path: Source, options: dict[str, Any]) -> Suite:
    file = Path(path).name
    kind = next((suffix for suffix in SUFFIXES if file.lower().removesuffix(".gz").endswith(suffix)), None)
    match kind:
        case ".jsonl" | ".ndjson":
            return read_langsmith(path, **options) if _of_langsmith(_first(path)) else read_jsonl(path, **options)
        case ".csv":
            return read_csv(path, **options)
        case ".tsv":
            return read_csv(path, **{"delimiter": "\t", **options})
        case ".json":
            return _read_items(_json_list(path), {"name": _stem(path), "file": file, **options})
        case ".parquet" if file.lower().endswith(kind):
            return read_pandas(_parquet(path), **{"name": _stem(path), "file": file, **options})
    raise InputError(
        f"{path}: unknown kind of file. Fix: give one that ends in {', '.join(SUFFIXES)}.", code="bad_suite"
    )


def _read_items(items: list[Any], options: dict[str, Any]) -> Suite:
    """Things in memory, by the form of the first: cases, examples of LangSmith's, records or rows."""
    if items and all(isinstance(item, Case) for item in items):
        names, tiers = read_tiers(options.pop("tiers", None))
        known = {key: value for key, value in options.items() if key not in ("strict", "file")}
        suite = Suite(**{"name": "cases", **known}, cases=tuple(items), tiers=tiers)
        return suite.on(names) if names else suite
    if items and _of_langsmith(items[0]):
        return read_langsmith(items, **options)
    return read_rows(items, **options)


def _of_langsmith(item: Any) -> bool:
    if isinstance(item, Mapping):
        return "inputs" in item and not {"text", "messages"} & item.keys()
    return hasattr(item, "inputs")


def _first(path: Source) -> Any:
    with opened(path) as stream:
        return next((line.value for line in read_objects(stream) if isinstance(line, Line)), None)


def _json_list(path: Source) -> list[Any]:
    with opened(path) as stream:
        data = stream.read()
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8. Fix: save the file as UTF-8.", code="not_utf8") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}). Fix: correct it.", code="not_json") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not JSON. Fix: correct it.", code="not_json") from None
    if not isinstance(value, list):
        raise InputError(f"{path}: a {type(value).__name__}. Fix: write a list of objects.", code="not_a_list")
    return value


def _parquet(path: Source) -> Any:
    pandas = require("pandas")
    try:
        return pandas.read_parquet(fspath(path))
    except ImportError:
        raise InputError(
            f"{path}: pandas needs another package for Parquet. Fix: pip install pyarrow, or save it as .jsonl.",
            code="no_parquet",
        ) from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise InputError(f"{path}: {reason}. Fix: check the path.", code="no_file") from None
    except Exception as error:
        found = type(error).__name__
        raise InputError(f"{path}: no Parquet ({found}). Fix: write it again.", code="bad_file") from None


def json_line(row: Mapping[str, Any], id: str) -> bytes:
    """``row`` as one line of JSONL, with the line's end; ``id`` is for the error.

    Raises:
        InputError: It holds what JSON has no form for.
    """
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{shown(id)} holds what JSON has no form for ({type(error).__name__}). Fix: make it text.",
            code="not_json",
        ) from None
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def _plain(value: Any) -> Any:
    """What objects of LangChain's and numbers of numpy's are in JSON; a suite's digest takes them for the same."""
    if isinstance(value, Mapping):
        return dict(value)
    for method in ("model_dump", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(type(value).__name__)
