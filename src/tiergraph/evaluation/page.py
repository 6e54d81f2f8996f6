"""A report as one HTML file that asks the network for nothing: no script, no font, plots inside it.

Everything that comes from a report is escaped, and the page's own policy forbids whatever could slip through. Texts of
requests are on it only where the caller gives them.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

from tiergraph.evaluation.page_style import STYLE
from tiergraph.evaluation.plots import TITLES, available, plot
from tiergraph.evaluation.report import ROUTER, Figure, Report
from tiergraph.evaluation.tables import NONE, Cells, Money, cell, cells, is_difference, label
from tiergraph.evaluation.wording import HOW_TO_READ, says, verdict

MOST_PROBLEMS = 50
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_WIDE = 8
"""Columns beyond which a table is printed smaller."""

_FOLD = 30
"""Rows from which a table of strata is folded away."""

_POLICY = (
    *("violations", "accuracy", "precision", "recall", "false_positive_rate", "auc"),
    *("tier_lowered", "tier_changed", "flag_lost"),
)
_CALIBRATION = ("ece", "brier", "brier_skill")

_RECALL = "Recall: of what is there, how much was found. Precision: of what was found, how much is there."


def write_page(report: Report, path: str | PathLike[str], *, texts: Mapping[str, str] | None = None) -> Path:
    """A report as one self-contained HTML file.

    Args:
        report: Of an evaluation.
        path: Where to write; its folder is made.
        texts: Case id to the text of the request, shown beside the worst misses. Without it no text is on the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report, texts=texts), encoding="utf-8", errors="replace")
    return path


def render(report: Report, *, texts: Mapping[str, str] | None = None) -> str:
    """The page as text; see `write_page`."""
    title = f"{report.suite.get('title') or report.suite.get('name', 'Evaluation')}: evaluation report"
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    body = "\n".join(part for part in _parts(report, texts) if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{_safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _parts(report: Report, texts: Mapping[str, str] | None) -> Iterator[str]:
    money, names = Money.of(report), available(report)
    groups = _grouped(each for each in report.figures if each.by is None)
    yield _header(report)
    yield "<main>"
    yield _says(report)
    yield "<h2>Key figures</h2>"
    yield (
        '<p class="small">Value over its 95 % bootstrap interval. <code>n</code> is of the router, or of the first '
        "column that has the figure. A dash: these cases cannot give it.</p>"
    )
    yield _figure_table(groups["key"], money)
    if "figures" in names:
        yield _picture(report, "figures")
    if groups["differences"]:
        yield "<h3>Paired differences, case by case</h3>"
        yield _differences(groups["differences"], money)
    yield _explained(report)
    for heading, name in (("Score over cost", "cost_quality"), ("Which tier took what", "mix")):
        if name in names:
            yield f"<h2>{heading}</h2>"
            yield _picture(report, name)
    yield from _strata(report, money)
    if "reliability" in names or groups["calibration"]:
        yield "<h2>Calibration</h2>"
        yield _picture(report, "reliability") if "reliability" in names else ""
        yield _figure_table(groups["calibration"], money)
    if groups["policy"]:
        yield "<h2>Policy and labels</h2>"
        yield f'<p class="small">{_RECALL}</p>'
        yield _figure_table(groups["policy"], money)
    if "flow" in names:
        yield "<h2>Escalation flow</h2>"
        yield _picture(report, "flow")
        yield _links(report)
    yield "<h2>Timing</h2>"
    yield '<p class="small">The only part that may differ between two runs.</p>'
    yield _facts(report.timing, "No time was taken.")
    yield from _worst(report, names, texts)
    yield from _left_out(report)
    yield "<h2>Manifest</h2>"
    yield _facts({"suite": report.suite, "subject": report.subject, **report.manifest}, "The report has no manifest.")
    yield "</main>"


def _header(report: Report) -> str:
    suite, subject = report.suite, report.subject
    model = subject.get("model") or {}
    if isinstance(model, Mapping):
        model = " ".join(str(part) for part in (model.get("name"), _digest(model.get("digest"))) if part)
    left = len(report.problems)
    facts = {
        "suite": f"{suite.get('name', NONE)} {_digest(suite.get('digest'))}".strip(),
        "evaluated": f"{subject.get('name', NONE)} ({subject.get('kind', 'unknown')})",
        "configuration": _digest(subject.get("config_digest")),
        "model": model,
        "date": _date(report.manifest),
        "n": f"{suite.get('cases', len(report.rows)):,} cases",
        "left out": f"{left:,} row{'' if left == 1 else 's'}",
        "sources": "; ".join(map(str, suite.get("sources") or ())),
    }
    items = "".join(f"<li><strong>{_safe(name)}</strong> {_safe(value)}</li>" for name, value in facts.items() if value)
    title = _safe(suite.get("title") or suite.get("name", "Evaluation"))
    return f'<header><h1>{title}</h1><ul class="facts">{items}</ul></header>'


def _says(report: Report) -> str:
    sentences = "".join(f"<li>{_safe(sentence)}</li>" for sentence in says(report))
    return f'<section class="says"><h2>What it says</h2><ul>{sentences}</ul></section>'


def _grouped(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """Figures by where they stand on the page; each stands in one place."""
    groups: dict[str, list[Figure]] = {"key": [], "differences": [], "policy": [], "calibration": []}
    for figure in figures:
        head = figure.name.partition(":")[0]
        if is_difference(figure.of):
            groups["differences"].append(figure)
        elif head in _POLICY:
            groups["policy"].append(figure)
        elif head in _CALIBRATION:
            groups["calibration"].append(figure)
        else:
            groups["key"].append(figure)
    groups["key"].sort(key=lambda figure: figure.name.startswith("share:"))  # what became of quality and cost first
    return groups


def _figure_table(figures: Sequence[Figure], money: Money) -> str:
    if not figures:
        return ""
    grid = cells(figures, money)
    rows = [[_name(row.name, row.unit), _n(row.figures), *_values(grid, row.figures, money)] for row in grid.rows]
    return _table("Figures of the router and the baselines", ["figure", "n", *grid.columns], rows)


def _differences(figures: Sequence[Figure], money: Money) -> str:
    """A row for each figure, a column for each pair; under a value its interval and what that shows."""
    words = {"better": "router better", "worse": "router worse", "not sure": "not sure", "no interval": ""}
    grid = cells(figures, money)
    rows = []
    for row in grid.rows:
        values = []
        for of in grid.columns:
            figure = row.figures.get(of)
            said = words[verdict(figure)] if figure and of.startswith(f"{ROUTER} - ") else ""
            values.append(_value(figure, money, said=said))
        unit = "percentage points" if row.unit == "%" else row.unit
        rows.append([_name(row.name, unit), _n(row.figures), *values])
    return _table("Paired differences", ["figure", "n", *grid.columns], rows)


def _explained(report: Report) -> str:
    """What each figure is, folded away."""
    from tiergraph.evaluation.figures import NAMES

    heads = dict.fromkeys(figure.name.partition(":")[0] for figure in report.figures)
    items = "".join(f"<li><code>{_safe(head)}</code>: {_safe(NAMES[head])}</li>" for head in heads if head in NAMES)
    return f"<details><summary>What each figure is</summary><ul>{items}</ul></details>" if items else ""


def _strata(report: Report, money: Money) -> Iterator[str]:
    ways = list(dict.fromkeys(each.by for each in report.figures if each.by is not None))
    if ways:
        yield "<h2>Strata</h2>"
    for by in ways:
        grids = [cells(part, money) for part in _grouped(each for each in report.figures if each.by == by).values()]
        tables = "".join(_strata_table(str(by), grid, money) for grid in grids if grid.rows)
        n = sum(len(grid.rows) for grid in grids)
        if n > _FOLD:
            yield f"<details><summary>By {_safe(by)}: {n} rows</summary>{tables}</details>"
        else:
            yield f"<h3>By {_safe(by)}</h3>{tables}"


def _strata_table(by: str, grid: Cells, money: Money) -> str:
    rows = [
        [
            _name(row.name, row.unit),
            f'<td class="name">{_safe(row.stratum)}</td>',
            _n(row.figures),
            *_values(grid, row.figures, money),
        ]
        for row in grid.rows
    ]
    return _table(f"Figures by {by}", ["figure", by, "n", *grid.columns], rows, left=2)


def _links(report: Report) -> str:
    rows = []
    places = ["start", *report.charts["flow"]["tiers"]]
    links = report.charts["flow"]["links"]
    for link in sorted(
        links, key=lambda link: places.index(link["source"]) if link["source"] in places else len(places)
    ):
        right = f"{link['right']:g} of {link['scored']:,}" if link["scored"] else NONE
        names = [f'<td class="name">{_safe(link[end])}</td>' for end in ("source", "target")]
        rows.append([*names, _td(f"{link['n']:,}"), _td(right)])
    return _table("The escalation flow as a table", ["from", "to", "n", "drafts that were right"], rows, left=2)


def _worst(report: Report, names: Sequence[str], texts: Mapping[str, str] | None) -> Iterator[str]:
    if "worst" not in names:
        return
    misses = report.charts["worst"]
    yield "<h2>Worst misses</h2>"
    if not misses:
        yield "<p>No case went worse than it could have.</p>"
        return
    yield _picture(report, "worst")
    if texts is None:
        yield (
            '<p class="small">Texts of requests are left out. To show them, give '
            "<code>write_html(path, texts={case id: text})</code>.</p>"
        )
    for miss in misses:
        strata = ", ".join(f"{by}: {value}" for by, value in miss["strata"].items())
        head = f"<code>{_safe(miss['case'])}</code> loss {miss['loss']:.2f}. {_safe(miss['why'])}"
        text = f"<p class='wrap'>{_safe(texts[miss['case']])}</p>" if texts and miss["case"] in texts else ""
        data = _safe(json.dumps(miss["observation"], ensure_ascii=False, indent=1, default=str))
        where = f'<p class="small">{_safe(strata)}</p>' if strata else ""
        yield f"<details><summary>{head}</summary>{where}{text}<pre>{data}</pre></details>"


def _left_out(report: Report) -> Iterator[str]:
    problems = report.problems
    yield "<h2>Rows left out</h2>"
    if not problems:
        yield "<p>No row was left out.</p>"
        return
    shown_rows = problems[:MOST_PROBLEMS]
    more = f" The first {len(shown_rows)} of them:" if len(problems) > len(shown_rows) else ""
    yield f"<p>{len(problems):,} row{'' if len(problems) == 1 else 's'} could not be used.{more}</p>"
    yield f'<ol class="problems">{"".join(f"<li>{_safe(problem)}</li>" for problem in shown_rows)}</ol>'


def _picture(report: Report, name: str) -> str:
    alt = f"{TITLES[name]} of {report.suite.get('name', 'the suite')}: {_in_numbers(report, name)}"
    caption = f"<figcaption>{_safe(HOW_TO_READ[name])}</figcaption>"
    return f'<figure><div class="chart"><img alt="{_safe(alt)}" src="{_inline(report, name)}"></div>{caption}</figure>'


def _in_numbers(report: Report, name: str) -> str:
    """What a plot shows, for those who cannot see it; the tables hold the rest."""
    data = report.charts.get(name)
    if name == "cost_quality":
        return f"{len(data['lines'])} lines ({', '.join(line['name'] for line in data['lines'])})"  # type: ignore[index]
    if name == "mix":
        whole = [one for one in data["strata"] if one["by"] is None]  # type: ignore[index]
        shares = whole[0]["shares"] if whole else {}
        return ", ".join(f"{tier} {100 * share:.0f} %" for tier, share in shares.items()) or "by stratum"
    if name == "reliability":
        return "; ".join(f"{curve['name']}, ECE {curve['ece']:.3f}" for curve in data or ()) or "no curve"
    if name == "flow":
        return f"{len(data['links'])} links, as the table below lists"  # type: ignore[index]
    return "as the list below says" if name == "worst" else "as the table above lists"


def _inline(report: Report, name: str) -> str:
    """A plot as the address of an image: SVG with text as paths, sharp in print and the same in every browser."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    plot(report, name).savefig(stream, format="svg", metadata=nothing)
    svg = _numbered(stream.getvalue())
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _numbered(svg: str) -> str:
    """Names inside an SVG by number: matplotlib draws them at random, and a page should be the same when made again."""
    names = {name: f"i{number}" for number, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}

    def renamed(match: re.Match[str]) -> str:
        return match[1] + names.get(match[2], match[2])

    return re.sub(r'(\bid="|href="#|url\(#)([^")]+)', renamed, svg[svg.index("<svg") :])


def _facts(value: Mapping[str, Any], empty: str) -> str:
    pairs = list(_flat(value))
    if not pairs:
        return f"<p>{empty}</p>"
    rows = [(f'<th scope="row">{_safe(one)}</th>', f'<td class="name wrap">{_safe(said)}</td>') for one, said in pairs]
    return _table("Names and values", ["name", "value"], rows, left=2)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value, 1):
            yield from _flat(part, f"{name}.{number}")
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(map(str, value)) or NONE
    else:
        yield name, NONE if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)


def _table(what: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """A table in a box that scrolls by itself. ``rows`` are cells as HTML; the first ``left`` columns are names."""
    kinds = [' class="name"' if number < left else "" for number in range(len(head))]
    titles = "".join(f'<th scope="col"{kind}>{_safe(name)}</th>' for name, kind in zip(head, kinds, strict=True))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    region = f'<div class="box" role="region" tabindex="0" aria-label="{_safe(what)}">'
    wide = ' class="wide"' if len(head) > _WIDE else ""
    return f"{region}<table{wide}><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def _name(name: str, unit: str) -> str:
    words = f"{label(name)} ({unit})" if unit else label(name)
    raw = f' <code class="small">{_safe(name)}</code>' if words.split(" (")[0] != name else ""
    return f'<th scope="row">{_safe(words)}{raw}</th>'


def _n(figures: Mapping[str, Figure]) -> str:
    figure = figures.get(ROUTER) or next(iter(figures.values()))
    return _td(f"{figure.n:,}")


def _values(grid: Cells, figures: Mapping[str, Figure], money: Money) -> list[str]:
    return [_value(figures.get(of), money) for of in grid.columns]


def _value(figure: Figure | None, money: Money, *, said: str = "") -> str:
    value, _, ends = cell(figure, money).partition(" (")
    kind = ' class="router"' if figure is not None and figure.of == ROUTER else ""
    more = f'<span class="ends">({_safe(ends)}</span>' if ends else ""
    more += f'<span class="ends">{said}</span>' if said else ""
    return f"<td{kind}>{_safe(value)}{more}</td>"


def _td(text: str) -> str:
    return f"<td>{_safe(text)}</td>"


def _digest(value: Any) -> str:
    return str(value).removeprefix("sha256:")[:12] if value else ""


def _date(manifest: Mapping[str, Any]) -> str:
    """When the report was made, under whichever of the usual names the manifest has it."""
    for name in ("date", "created", "time", "when", "at"):
        if value := manifest.get(name):
            return str(value)
    return ""


def _safe(value: Any) -> str:
    """Text for HTML, in elements and in quoted attributes; control characters and lone surrogates become U+FFFD."""
    return escape(_UNSAFE.sub("\ufffd", str(value)), quote=True)
