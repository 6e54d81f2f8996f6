"""A report: every figure with its n and its interval, beside every baseline; versioned JSON with a manifest.

A report holds no request text. ``rows`` hold what happened to each case, so that two reports can be paired case by
case; they can be left out of a file that is published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Problem
from tiergraph.evaluation.charts import Charts
from tiergraph.evaluation.fitting import check_fit
from tiergraph.evaluation.observations import Observation

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure as Picture

FORMAT, VERSION = "tiergraph.evaluation", 1
ROUTER = "router"
"""``Figure.of`` of what was evaluated; anything else is a baseline or a difference such as ``router - length``."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        name: Such as ``apgr``; `tiergraph.evaluation.figures.NAMES` explains each in a line.
        value: ``None`` where it cannot be had from these cases.
        low, high: Ends of the 95 % bootstrap interval; ``None`` where there is none.
        n: Cases that it was computed from.
        of: ``router``, a baseline, or a paired difference ``A - B``.
        unit: ``share``, ``USD``, ``ms``, the suite's unit, or empty.
        better: Which way is better; ``None`` where neither is.
        by, stratum: The stratum that it is of, such as ``difficulty`` and ``easy``; ``None`` for all cases.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    of: str = ROUTER
    unit: str = ""
    better: Literal["higher", "lower"] | None = None
    by: str | None = None
    stratum: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None, str | None]:
        """What identifies it in a report."""
        return (self.name, self.of, self.by, self.stratum)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What happened to one case.

    Attributes:
        observation: What the subject did.
        quality: Score of its answer, or of the tier that it chose, in [0, 1]; ``None`` is unscored.
        cost_usd: What that took.
        outcomes, costs: Tier name to score and to USD, where they are known.
        right: What was asked of the case (``intent``, ``pii``, ``tier``, ``outcome``, ``grounded``, ...) to whether the
            observation has it right; what is not known of the case is absent.
        solved: Of a cascade: score of its answer, 0 where nobody answered; ``None`` where it cannot be scored.
        wrong: Of a cascade: 1 where a wrong answer was given, else 0; ``None`` as above.
        strata: As of the case.
        group: As of the case, else one for variants and equal texts where there are any: what is drawn together.
        text_length: Characters of the question.
    """

    observation: Observation
    quality: float | None = None
    cost_usd: float | None = None
    outcomes: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    right: Mapping[str, bool] = field(default_factory=dict)
    solved: float | None = None
    wrong: float | None = None
    strata: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    text_length: int = 0

    @property
    def id(self) -> str:
        return self.observation.case

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "observation": self.observation.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Row:
        """The inverse of `as_json`."""
        return cls(**{**value, "observation": Observation.from_json(value["observation"])})


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found.

    Attributes:
        suite: ``{"name", "title", "digest", "cases", "scale", "unit", "tiers": [{"name", "location", "price"}],
            "sources"}``.
        subject: ``{"name", "kind", "config_digest", "model": {"name", "digest"}}``; kind is ``decider``, ``graph``,
            ``judge``, ``function`` or ``records``.
        manifest: Versions, digests and machine; `tiergraph.evaluation.manifest.new_manifest`.
        figures: All of them, those of the router first.
        charts: What plots show, as data: ``cost_quality``, ``reliability``, ``mix``, ``flow``, ``worst``; see
            `tiergraph.evaluation.charts`. A chart that these cases cannot give is absent.
        problems: Rows that were left out.
        timing: Latencies and how long it took; the only part that may differ between two runs.
        rows: One for each case, in the suite's order; empty in a report that was saved without.
    """

    suite: Mapping[str, Any]
    subject: Mapping[str, Any]
    manifest: Mapping[str, Any]
    figures: tuple[Figure, ...]
    charts: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    timing: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()

    def figure(self, name: str, of: str = ROUTER, *, by: str | None = None, stratum: str | None = None) -> Figure:
        """The figure of that name.

        Raises:
            KeyError: There is none; names those that there are.
        """
        for each in self.figures:
            if each.key == (name, of, by, stratum):
                return each
        known = sorted({f"{each.name} of {each.of}" for each in self.figures if each.by == by})
        raise KeyError(f"No figure {name!r} of {of!r}. There are: {known}")

    def select(self, name: str) -> Iterator[Figure]:
        """All figures of that name, over all cases."""
        return (each for each in self.figures if each.name == name and each.by is None)

    def frame(self) -> pandas.DataFrame:
        """The figures as a table, one row each."""
        pandas = _require("pandas")
        columns = list(Figure.__dataclass_fields__)
        return pandas.DataFrame([asdict(each) for each in self.figures], columns=columns)

    def table(self, *, by: str | None = None) -> pandas.DataFrame:
        """Figures for reading: a row for each name (and stratum of ``by``), a column for the router and each baseline.

        A cell is ``value (low to high)``.
        """
        from tiergraph.evaluation.tables import reading_table

        return reading_table(self, by=by)

    def plot(self, name: str, **options: Any) -> Picture:
        """One plot: ``cost_quality``, ``reliability``, ``mix``, ``flow``, ``worst`` or ``figures``.

        Raises:
            InputError: These cases cannot give that plot; names those that they can.
            MissingExtraError: matplotlib is not installed.
        """
        from tiergraph.evaluation.plots import plot

        return plot(self, name, **options)

    def write_plots(self, folder: str | PathLike[str]) -> list[Path]:
        """Every plot as a PNG in ``folder``."""
        from tiergraph.evaluation.plots import write_plots

        return write_plots(self, folder)

    def write_html(self, path: str | PathLike[str], *, texts: Mapping[str, str] | None = None) -> Path:
        """The report as one self-contained page. ``texts``: case id to text, shown beside the worst misses."""
        from tiergraph.evaluation.page import write_page

        return write_page(self, path, texts=texts)

    def save(self, path: str | PathLike[str], *, rows: bool = True) -> Path:
        """The report as JSON. ``rows=False`` leaves out what happened to each case, for a file that is published."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(rows=rows), ensure_ascii=False, allow_nan=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def as_json(self, *, rows: bool = True) -> dict[str, Any]:
        """All of it as JSON-like data."""
        charts = dict(self.charts)
        if not rows:
            charts.pop("worst", None)
        return {
            "format": FORMAT,
            "version": VERSION,
            "suite": dict(self.suite),
            "subject": dict(self.subject),
            "manifest": dict(self.manifest),
            "left_out": {"rows": len(self.problems), "problems": [each.as_json() for each in self.problems]},
            "figures": [asdict(each) for each in self.figures],
            "charts": charts,
            "timing": dict(self.timing),
            "rows": [each.as_json() for each in self.rows] if rows else [],
        }

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Report:
        """A report from a file.

        Raises:
            InputError: It is no report, or of a version that this package cannot read.
        """
        path = Path(path)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError, RecursionError):
            message = f"{path}: not JSON. Fix: give a file that `tiergraph eval run` wrote."
            raise InputError(message, code="bad_report") from None
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}.", code="bad_report") from None
        return cls.from_json(value, name=str(path))

    @classmethod
    def from_json(cls, value: Any, *, name: str = "the report") -> Report:
        """The inverse of `as_json`. ``name`` is for the error."""
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            raise InputError(f"{name}: no evaluation report. Fix: `tiergraph eval run` writes them.", code="bad_report")
        if value.get("version") != VERSION:
            raise InputError(
                f"{name}: a report of version {value.get('version')!r}; this package reads {VERSION}. "
                "Fix: run the evaluation again.",
                code="bad_report",
            )
        try:
            check_fit(value, _File, "it")
            for row in value["rows"]:
                _check_shares(row)
            return cls(
                suite=value["suite"],
                subject=value["subject"],
                manifest=value["manifest"],
                figures=tuple(Figure(**each) for each in value["figures"]),
                charts=value["charts"],
                problems=tuple(Problem(**each) for each in value["left_out"]["problems"]),
                timing=value["timing"],
                rows=tuple(Row.from_json(each) for each in value["rows"]),
            )
        except (KeyError, TypeError) as error:
            message = (
                f"{name}: a report with parts missing or unknown, or of another kind: {error}. Fix: write it again."
            )
            raise InputError(message, code="bad_report") from None


class _Tier(TypedDict):
    name: str


class _Suite(TypedDict):
    name: str | None
    digest: str
    cases: int
    scale: float
    unit: str
    tiers: list[_Tier]


class _LeftOut(TypedDict):
    problems: list[Problem]


class _File(TypedDict):
    """What a file holds, as far as anything relies on it."""

    suite: _Suite
    subject: Mapping[str, Any]
    manifest: Mapping[str, Any]
    left_out: _LeftOut
    figures: list[Figure]
    charts: Charts
    timing: Mapping[str, Any]
    rows: list[Row]


def _check_shares(row: Mapping[str, Any]) -> None:
    """Raise `TypeError` where a score or a probability of a row is outside [0, 1]."""
    seen = row["observation"]
    given = [row.get("quality"), seen.get("score"), seen.get("quality"), *(row.get("outcomes") or {}).values()]
    given += (seen.get("tier_probabilities") or {}).values()
    if any(share is not None and not 0 <= share <= 1 for share in given):
        raise TypeError("a score or a probability of a row is outside [0, 1]")


def _require(name: str) -> Any:
    from tiergraph.evaluation.extras import require

    return require(name)


def by_id(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the id of their case."""
    return {row.id: row for row in rows}
