"""Plots, tables and the page of a report: what they must show, that it can be read, and that they say what is true."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_factory import BASELINES, cascade, every_kind, labelled, recorded
from rich.console import Console
from rich.table import Table

from tiergraph.errors import InputError, MissingExtraError
from tiergraph.evaluation.cases import Problem
from tiergraph.evaluation.report import Figure, Report
from tiergraph.evaluation.tables import Money, label, markdown_table, number, reading_table, shown, text_rows
from tiergraph.evaluation.wording import LEAST, MOST, says, verdict

pytest.importorskip("matplotlib", reason="the extra eval is not installed")

from matplotlib.figure import Figure as Picture
from matplotlib.text import Annotation, Text

from tiergraph.evaluation.page import render, write_page
from tiergraph.evaluation.plots import TITLES, available, plot, write_plots

KINDS = every_kind()
DRAWN = [(kind, name) for kind, report in KINDS.items() for name in available(report)]
EVIL = "<script>alert(1)</script>\"'&"


def texts(picture: Picture) -> list[tuple[str, Any]]:
    """Every text that is drawn, with its box in pixels."""
    picture.draw_without_rendering()
    renderer = picture.canvas.get_renderer()  # type: ignore[attr-defined]
    drawn = [text for text in picture.get_children() if isinstance(text, Text)]
    for ax in picture.axes:
        drawn += [*ax.texts, *(text for text in ax.get_children() if isinstance(text, Text))]
        if legend := ax.get_legend():
            drawn += legend.get_texts()
        for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
            low, high = sorted(axis.get_view_interval())
            drawn += [axis.label, *(tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)]
    found = []
    for text in dict.fromkeys(drawn):
        if text.get_visible() and text.get_text().strip():
            # An annotation's own box holds its arrow too.
            kind = Text if isinstance(text, Annotation) else type(text)
            found.append((text.get_text(), kind.get_window_extent(text, renderer)))
    return found


def words(picture: Picture) -> str:
    return "\n".join(text for text, _ in texts(picture))


def overlapping(picture: Picture) -> list[tuple[str, str]]:
    def meet(a: Any, b: Any) -> bool:
        return bool(min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1)

    return [(a[0], b[0]) for a, b in combinations(texts(picture), 2) if meet(a[1], b[1])]


def cut(picture: Picture) -> list[str]:
    frame = picture.bbox
    return [
        text
        for text, box in texts(picture)
        if box.x0 < frame.x0 - 1 or box.x1 > frame.x1 + 1 or box.y0 < frame.y0 - 1 or box.y1 > frame.y1 + 1
    ]


# Plots


@pytest.mark.parametrize(("kind", "name"), DRAWN)
def test_no_text_of_a_plot_covers_another_or_is_cut(kind: str, name: str) -> None:
    picture = plot(KINDS[kind], name)
    assert overlapping(picture) == []
    assert cut(picture) == []


@pytest.mark.parametrize("tiers", [2, 3, 4, 6])
def test_a_flow_can_be_read_with_two_to_six_tiers(tiers: int) -> None:
    report = cascade(tiers=[f"model-{letter}" for letter in "abcdef"[:tiers]], n=120)
    picture = plot(report, "flow")
    assert overlapping(picture) == []
    assert cut(picture) == []
    for link in report.charts["flow"]["links"]:
        assert f"{link['n']}" in words(picture)
        if link["target"] == "accepted":
            assert f"{link['right']:.0f} of {link['scored']}\nright" in words(picture)


@pytest.mark.parametrize("seed", range(6))
def test_labels_of_lines_never_cover_each_other_whatever_the_lines(seed: int) -> None:
    report = recorded(tiers=("a", "b", "c"), n=80, seed=seed, router_skill=0.2 * seed)
    assert overlapping(plot(report, "cost_quality")) == []


def test_score_over_cost_names_units_every_baseline_the_oracle_and_every_tier() -> None:
    report = KINDS["two tiers"]
    picture = plot(report, "cost_quality")
    (ax,) = picture.axes
    assert ax.get_xlabel() == "Mean cost per request (US cents)"
    assert ax.get_ylabel() == "Mean score (share of cases)"
    said = words(picture)
    for name in (*BASELINES, "router", "operating point of the router", "always mixtral-8x7b", "always gpt-4-1106"):
        assert name in said
    assert "n = 400" in said
    assert "gsm8k-pairs" in said


def test_cost_is_drawn_in_the_unit_of_its_axis() -> None:
    report = KINDS["two tiers"]
    (ax,) = plot(report, "cost_quality").axes
    oracle = next(line for line in report.charts["cost_quality"]["lines"] if line["name"] == "router")
    assert list(ax.lines[0].get_xdata()) == pytest.approx([100 * x for x in oracle["x"]])
    assert list(ax.lines[0].get_ydata()) == pytest.approx(oracle["y"])


def test_a_share_of_calls_is_drawn_as_it_is_and_names_the_strong_model() -> None:
    chart = {**KINDS["two tiers"].charts["cost_quality"], "x_unit": "share of requests to gpt-4"}
    (ax,) = plot(replace(KINDS["two tiers"], charts={"cost_quality": chart}), "cost_quality").axes
    assert ax.get_xlabel() == "Strong model's share of calls (gpt-4)"
    assert list(ax.lines[0].get_xdata()) == pytest.approx(chart["lines"][0]["x"])


def test_lines_differ_without_colour() -> None:
    (ax,) = plot(KINDS["two tiers"], "cost_quality").axes
    lines = ax.lines[: len(BASELINES) + 1]
    looks = {(str(line.get_linestyle()), str(line.get_marker()), line.get_linewidth() > 2) for line in lines}
    assert len(looks) == len(lines)


def test_reliability_says_its_figures_and_how_many_cases() -> None:
    picture = plot(KINDS["labels"], "reliability")
    (curve,) = KINDS["labels"].charts["reliability"]
    said = words(picture)
    assert f"ECE {number(curve['ece'])}, Brier {number(curve['brier'])}, n 240" in said
    main, below = picture.axes
    assert main.get_ylabel() == "Observed share of cases (%)"
    assert (below.get_xlabel(), below.get_ylabel()) == ("Predicted probability (%)", "Cases (n)")
    assert sorted(bar.get_height() for bar in below.patches) == sorted(one["n"] for one in curve["bins"])


def test_the_mix_labels_shares_of_five_per_cent_and_more_and_n() -> None:
    shares = {"small": 0.04, "large": 0.9, "nobody": 0.06}
    strata = [{"by": None, "value": None, "n": 1234, "shares": shares}]
    report = replace(KINDS["cascade"], charts={"mix": {"tiers": ["small", "large"], "strata": strata}})
    picture = plot(report, "mix")
    said = words(picture)
    assert "90 %" in said
    assert "6 %" in said
    assert "4 %" not in said
    assert "n 1,234" in said
    assert "nobody" in said
    assert picture.axes[0].get_xlabel() == "Share of requests (%)"


def test_strata_beyond_the_twelve_largest_become_others_and_no_case_is_lost() -> None:
    from tiergraph.evaluation.plot_bars import MOST_STRATA, gathered

    strata = [{"by": None, "value": None, "n": 1830, "shares": {"a": 1.0}}]
    strata += [
        {"by": "intent", "value": f"i{n}", "n": n, "shares": {"a": n / 60, "b": 1 - n / 60}} for n in range(1, 61)
    ]
    found = gathered(strata)
    assert len(found) == MOST_STRATA + 2
    assert found[-1]["value"] == "48 others"
    assert sum(one["n"] for one in found[1:]) == 1830
    taken = sum(one["n"] * one["shares"]["a"] for one in found[1:])
    assert taken == pytest.approx(sum(n * n / 60 for n in range(1, 61)))


def test_figures_are_drawn_beside_those_of_the_baselines() -> None:
    picture = plot(KINDS["two tiers"], "figures", names=["apgr", "quality"])
    said = words(picture)
    for of in ("router", *BASELINES):
        assert of in said
        assert number(KINDS["two tiers"].figure("apgr", of).value) in said
    assert [ax.get_xlabel() for ax in picture.axes] == ["no unit; higher is better", "%; higher is better"]


def test_links_over_other_tiers_share_a_lane_only_where_they_do_not_meet() -> None:
    ends = [("start", "a"), ("a", "c"), ("b", "d"), ("c", "e"), ("a", "e")]
    links = [{"source": s, "target": t, "n": 10, "right": 0.0, "scored": 0} for s, t in ends]
    flow = {"tiers": list("abcde"), "links": links}
    picture = plot(replace(KINDS["cascade"], charts={"flow": flow}), "flow")
    lanes = [(line.get_ydata()[1], line.get_xdata()) for line in picture.axes[0].lines if len(line.get_xdata()) == 4]
    assert len(lanes) == 4
    assert len({y for y, _ in lanes}) == 3
    for (y, x), (other_y, other_x) in combinations(lanes, 2):
        assert y != other_y or x[-1] <= other_x[0] or other_x[-1] <= x[0]


def test_lines_without_room_for_a_label_are_named_in_a_legend() -> None:
    names = [f"a baseline of a long name {number:02}" for number in range(16)]
    lines = [{"name": name, "kind": "baseline", "x": [0.01, 0.02], "y": [0.5, 0.6]} for name in names]
    chart = {"x_unit": "USD per request", "y_unit": "share of cases", "lines": lines, "marks": []}
    picture = plot(replace(KINDS["labels"], charts={"cost_quality": chart}), "cost_quality", width=3.5)
    assert picture.axes[0].get_legend() is not None
    assert set(names) <= set(words(picture).splitlines())


def test_long_names_and_signs_of_formulas_are_shown_as_they_are() -> None:
    report = cascade(tiers=["a-very-long-tier-name-that-has-no-end", "price_$x^2$_$", "c"], n=60)
    for name in available(report):
        picture = plot(report, name)
        assert overlapping(picture) == []
        assert cut(picture) == []
    assert any("\\$" in text for text, _ in texts(plot(report, "mix")))


@pytest.mark.parametrize("name", ["cost_quality", "reliability", "mix", "flow", "worst"])
def test_a_chart_without_data_says_so(name: str) -> None:
    empty = {
        "cost_quality": {"x_unit": "USD per request", "y_unit": "share of cases", "lines": [], "marks": []},
        "reliability": [],
        "mix": {"tiers": [], "strata": []},
        "flow": {"tiers": ["a"], "links": []},
        "worst": [],
    }
    assert "No " in words(plot(replace(KINDS["labels"], charts={name: empty[name]}), name))


def test_one_point_is_enough_for_a_plot() -> None:
    chart = {
        "x_unit": "USD per request",
        "y_unit": "share of cases",
        "lines": [{"name": "router", "kind": "router", "x": [0.0], "y": [0.5]}],
        "marks": [{"name": "only", "kind": "tier", "x": 0.0, "y": 0.5}],
    }
    assert "always only" in words(plot(replace(KINDS["labels"], charts={"cost_quality": chart}), "cost_quality"))


def test_a_plot_that_the_report_lacks_names_those_that_it_has() -> None:
    with pytest.raises(InputError, match=r"cannot give the plot 'flow'.*'figures', 'reliability'") as caught:
        plot(KINDS["labels"], "flow")
    assert caught.value.code == "no_such_chart"


def test_an_unknown_plot_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'cost_quality'") as caught:
        plot(KINDS["labels"], "cost-quality")
    assert caught.value.code == "unknown_plot"


def test_an_unknown_figure_for_a_plot_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"No figure 'nope'.*accuracy:intent"):
        plot(KINDS["labels"], "figures", names=["nope"])


@pytest.mark.parametrize("name", TITLES)
def test_a_plot_is_drawn_into_the_axes_that_are_given(name: str) -> None:
    report = next(report for report in KINDS.values() if name in available(report))
    picture = Picture(figsize=(6, 4))
    ax = picture.add_subplot()
    assert plot(report, name, ax=ax) is picture
    assert ax.has_data() or ax.texts


def test_notebooks_show_a_plot_once_with_pyplot_and_without() -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell", reason="IPython is not installed").InteractiveShell()
    from IPython.core.pylabtools import select_figure_formats

    data, _ = shell.display_formatter.format(plot(KINDS["labels"], "reliability"))
    assert data["image/png"].startswith(b"\x89PNG")
    select_figure_formats(shell, {"png"})
    data, _ = shell.display_formatter.format(plot(KINDS["labels"], "reliability"))
    assert set(data) == {"text/plain", "image/png"}


def test_plots_are_the_same_in_threads_and_leave_no_state() -> None:
    import matplotlib
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    report = KINDS["two tiers"]
    alone = plot(report, "mix").png()  # type: ignore[attr-defined]
    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda _: plot(report, "mix").png(), range(6)))  # type: ignore[attr-defined]
    assert set(drawn) == {alone}
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tiergraph\[eval\]'"):
        plot(KINDS["labels"], "reliability")


def test_every_plot_is_written_with_the_name_of_its_suite(tmp_path: Path) -> None:
    report = replace(KINDS["cascade"], suite={**KINDS["cascade"].suite, "name": "../my suite"})
    paths = write_plots(report, tmp_path / "plots")
    assert [path.name for path in paths] == [f"my-suite-{name}.png" for name in available(report)]
    assert {path.parent for path in paths} == {tmp_path / "plots"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


# Numbers and tables


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.612, "share", "61.2"),
        (0.612, "share of cases", "61.2"),
        (0.612, "", ".612"),
        (-0.031, "", "-.031"),
        (1.25, "", "1.250"),
        (0.9999, "", "1.000"),
        (0.0031, "USD", "0.310"),
        (2.5, "USD", "2.50"),
        (0.000012, "USD", "0.0120"),
        (12.34, "ms", "12.3"),
        (9.999, "ms", "10.0"),
        (1234.5, "ms", "1,234"),
        (-0.00001, "", ".000"),
        (0.0, "USD", "0"),
        (None, "share", "-"),
    ],
)
def test_a_number_is_written_by_its_unit(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(name="q", value=0.612, low=0.58, high=0.641, unit="share"), "61.2 % (58.0 to 64.1)"),
        (Figure(name="apgr", value=0.61, low=0.58, high=0.64), ".610 (.580 to .640)"),
        (
            Figure(name="q", value=0.03, low=-0.01, high=0.07, unit="share", of="router - length"),
            "+3.0 points (-1.0 to +7.0)",
        ),
        (Figure(name="c", value=0.02, unit="USD"), "2.00 US cents"),
        (Figure(name="c", value=0.00002, unit="USD"), "0.0200 USD per 1,000"),
        (Figure(name="c", value=3.0, unit="USD"), "3.00 USD"),
        (Figure(name="t", value=12.0, unit="ms"), "12.0 ms"),
        (Figure(name="t", value=None, unit="ms"), "-"),
    ],
)
def test_a_figure_is_shown_with_its_unit_and_interval(figure: Figure, text: str) -> None:
    assert shown(figure) == text


@given(st.floats(1e-9, 1e6), st.sampled_from(["USD", "ms"]))
def test_three_digits_of_every_amount_are_shown(value: float, unit: str) -> None:
    money = Money.up_to(value)
    read = float(number(value, unit, money).replace(",", "")) / (money.factor if unit == "USD" else 1)
    assert read == pytest.approx(value, rel=0.006)


def test_money_has_one_unit_in_a_report() -> None:
    frame = reading_table(KINDS["two tiers"])
    assert {name for name in frame.index if "US" in name} == {"cost_usd (US cents)", "cost_per_solved (US cents)"}
    assert plot(KINDS["two tiers"], "cost_quality").axes[0].get_xlabel().endswith("(US cents)")


def test_the_reading_table_has_the_router_first_then_baselines_then_differences() -> None:
    frame = KINDS["two tiers"].table()
    alone = ["always mixtral-8x7b", "always gpt-4-1106"]
    assert list(frame.columns) == ["router", *BASELINES, *alone, *(f"router - {each}" for each in BASELINES)]
    figure = KINDS["two tiers"].figure("apgr", "length")
    assert frame.loc["apgr", "length"] == shown(figure)
    assert frame.loc["area", "length"] == "-"


def test_the_reading_table_of_strata_has_a_row_for_each() -> None:
    frame = KINDS["two tiers"].table(by="difficulty")
    assert list(frame.index) == [("apgr", "easy"), ("apgr", "hard")]
    assert frame.loc[("apgr", "easy"), "router"] == shown(
        KINDS["two tiers"].figure("apgr", by="difficulty", stratum="easy")
    )


def test_strata_of_one_figure_stand_together() -> None:
    figures = [Figure(name=name, value=0.5, by="b", stratum=value) for value in ("x", "y") for name in ("q", "c")]
    frame = reading_table(replace(KINDS["labels"], figures=tuple(figures)), by="b")
    assert list(frame.index) == [("q", "x"), ("q", "y"), ("c", "x"), ("c", "y")]


def test_strata_that_there_are_not_are_named() -> None:
    with pytest.raises(InputError, match=r"'plan'. There are: \['difficulty', 'intent'\]"):
        reading_table(KINDS["two tiers"], by="plan")


def test_markdown_has_a_row_for_each_figure_and_escapes_bars() -> None:
    odd = Figure(name="a|b\nc", value=0.5, n=3)
    lines = markdown_table(replace(KINDS["labels"], figures=(*KINDS["labels"].figures, odd))).splitlines()
    assert lines[0] == "| figure | n | router | most frequent |"
    assert lines[-1] == "| a\\|b c | 3 | .500 | - |"
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_rows_for_the_terminal_keep_to_eighty_columns(kind: str) -> None:
    head, *rows = text_rows(KINDS[kind])
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in head:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    text = console.export_text()
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert len(rows) == len({figure.name for figure in KINDS[kind].figures})
    assert head[:4] == ("figure", "router", "95 % interval", "n")


def test_a_narrow_terminal_keeps_the_length_before_other_baselines() -> None:
    assert text_rows(KINDS["two tiers"])[0][4:6] == ("length", "random")
    assert text_rows(KINDS["two tiers"], ["apgr"], width=48)[0][4:] == ("length",)


def test_rows_can_be_chosen_and_an_unknown_one_names_those_that_there_are() -> None:
    assert [row[0] for row in text_rows(KINDS["two tiers"], ["brier", "apgr"])] == ["figure", "brier", "apgr"]
    with pytest.raises(InputError, match="No figure 'nope'"):
        text_rows(KINDS["two tiers"], ["nope"])


def test_an_unknown_name_is_said_in_words() -> None:
    assert label("my_new_figure") == "My new figure"
    assert label("recall:pii") == "Recall: pii"
    assert label("share:gpt-4") == "Requests: gpt-4"


# What it says


@pytest.mark.parametrize("kind", KINDS)
def test_every_report_says_three_to_six_sentences(kind: str) -> None:
    said = says(KINDS[kind])
    assert LEAST <= len(said) <= MOST
    assert all(re.fullmatch(r"[A-Z0-9].*\.", sentence) for sentence in said)


def with_figures(*figures: Figure) -> Report:
    return Report(suite={"name": "s", "cases": 500}, subject={}, manifest={}, figures=figures)


def apgr(value: float, of: str = "router", low: float | None = None, high: float | None = None) -> Figure:
    return Figure(name="apgr", value=value, low=low, high=high, n=500, of=of, better="higher")


@pytest.mark.parametrize(
    ("gap", "low", "high", "said"),
    [
        (-0.05, -0.09, -0.01, "the router is worse (-.050, 95 % interval -.090 to -.010)."),
        (0.05, 0.01, 0.09, "the router is better (+.050, 95 % interval +.010 to +.090)."),
        (0.05, -0.01, 0.11, "the difference is not sure (+.050, 95 % interval -.010 to +.110, which includes 0)."),
        (0.05, 0.0, 0.11, "the difference is not sure (+.050, 95 % interval .000 to +.110, which includes 0)."),
    ],
)
def test_the_sentence_on_length_follows_the_interval(gap: float, low: float, high: float, said: str) -> None:
    report = with_figures(apgr(0.55 + gap), apgr(0.55, "length"), apgr(gap, "router - length", low, high))
    assert says(report)[0] == f"Prompt length alone gives APGR .550, the router {number(0.55 + gap)}: {said}"


def test_without_a_paired_difference_overlapping_intervals_are_not_sure() -> None:
    report = with_figures(apgr(0.6, low=0.55, high=0.65), apgr(0.58, "length", low=0.53, high=0.63))
    assert "their intervals overlap, so the difference is not sure" in says(report)[0]


def test_without_any_interval_the_sentence_says_that_it_cannot_say() -> None:
    assert "how sure that is cannot be said" in says(with_figures(apgr(0.5), apgr(0.6, "length")))[0]
    assert "the router is worse" in says(with_figures(apgr(0.5), apgr(0.6, "length")))[0]


def test_lower_is_better_where_it_is() -> None:
    gap = Figure(name="x", value=-0.1, low=-0.2, high=-0.05, of="router - length", better="lower")
    assert verdict(gap) == "better"
    assert verdict(replace(gap, better="higher")) == "worse"
    assert verdict(replace(gap, high=0.1)) == "not sure"
    assert verdict(replace(gap, better=None)) == "no interval"


def kept(name: str, value: float, n: int = 500, **ends: float) -> Figure:
    return Figure(name=name, value=value, n=n, unit="share", better="higher", **ends)


def two_tiers(*more: dict[str, Any]) -> dict[str, Any]:
    marks = [
        {"name": "weak", "kind": "tier", "x": 0.001, "y": 0.4},
        {"name": "strong", "kind": "tier", "x": 0.1, "y": 0.8},
        *more,
    ]
    chart = {"x_unit": "USD per request", "y_unit": "share of cases", "n": 500, "lines": [], "marks": marks}
    return {"cost_quality": chart}


HERE = {"name": "router", "kind": "operating", "x": 0.034, "y": 0.776}


def test_what_the_router_keeps_is_said_by_its_own_figures_and_never_by_the_chart() -> None:
    figures = (kept("quality_kept", 0.91, 480, low=0.88, high=0.94), kept("cost_kept", 0.4, 480, low=0.38, high=0.42))
    said = says(replace(with_figures(*figures), charts=two_tiers(HERE)))[0]
    assert said == (
        "At 40.0 % (95 % interval 38.0 to 42.0) of the cost of always using strong the router keeps 91.0 % "
        "(95 % interval 88.0 to 94.0) of its score, over the 480 requests that it gave to a tier."
    )


def test_without_figures_of_what_is_kept_nothing_is_said_of_it() -> None:
    quality = Figure(name="quality", value=0.776, low=0.7, high=0.8, n=500, unit="share of cases", better="higher")
    said = says(replace(with_figures(quality), charts=two_tiers(HERE)))
    assert not any("keeps" in sentence for sentence in said)


def test_without_prices_only_the_score_that_is_kept_is_said() -> None:
    report = replace(with_figures(kept("quality_kept", 1.1, 480)), charts=two_tiers(HERE))
    assert says(report)[0] == (
        "The router keeps 110.0 % of the score of always using strong, over the 480 requests that it gave to a tier."
    )


def test_a_router_that_one_tier_beats_is_said_to_be_of_no_use() -> None:
    marks = [
        {"name": "cheap", "kind": "tier", "x": 0.01, "y": 0.8},
        {"name": "dear", "kind": "tier", "x": 0.1, "y": 0.7},
        {"name": "here", "kind": "operating", "x": 0.05, "y": 0.75},
    ]
    chart = {"x_unit": "USD per request", "y_unit": "share of cases", "lines": [], "marks": marks}
    said = says(replace(with_figures(), charts={"cost_quality": chart}))
    assert "Always using cheap scores no less and costs no more: the router is of no use at this point." in said


@pytest.mark.parametrize("end", [1e-12, -1e-12, 0.0])
def test_an_end_that_is_zero_but_for_rounding_is_zero(end: float) -> None:
    gap = Figure(name="apgr", value=2e-12, low=end, high=3e-12, n=500, of="router - length", better="higher")
    assert verdict(gap) == "not sure"
    assert verdict(replace(gap, low=-3e-12, high=end)) == "not sure"
    assert verdict(replace(gap, value=0.1, low=1e-6, high=0.2)) == "better"
    assert verdict(replace(gap, value=-0.1, low=-0.2, high=-1e-6)) == "worse"


def test_what_policy_let_through_comes_first() -> None:
    held = Figure(name="violations:pii_outside", value=0.0, n=40, unit="share", better="lower")
    chart = KINDS["two tiers"].charts["cost_quality"]
    report = replace(with_figures(apgr(0.6), apgr(0.55, "length"), held), charts={"cost_quality": chart})
    assert says(report)[0] == "Policy held wherever it was asked (pii outside n 40)."
    broken = replace(report, figures=(*report.figures[:2], replace(held, value=0.025)))
    assert not any("Policy held" in sentence for sentence in says(broken))
    assert says(broken)[0] == "Policy did not hold (pii outside) in 2.5 % of 40 cases where it was asked."


def test_cases_without_an_observation_are_said() -> None:
    report = with_figures(Figure(name="failed", value=0.02, n=500, unit="share", better="lower"))
    assert says(report)[0] == "2.0 % of 500 cases gave no observation and are in no figure."


def test_the_mistakes_of_a_judge_are_said_of_drafts() -> None:
    wrong = Figure(name="wrong_accepts", value=0.1, low=0.05, high=0.15, n=50, unit="share", better="lower")
    needless = Figure(name="needless_escalations", value=0.2, n=50, unit="share", better="lower")
    report = replace(with_figures(wrong, needless), subject={"kind": "judge"})
    said = (
        "Of the unsupported drafts 10.0 % passed (95 % interval 5.0 to 15.0), and 20.0 % of the supported ones did not."
    )
    assert said in says(report)


def test_a_cascade_is_compared_as_a_whole() -> None:
    marks = [
        {"name": "strong", "kind": "tier", "x": 0.1, "y": 0.8},
        {"name": "router", "kind": "operating", "x": 0.02, "y": 0.6},
        {"name": "cascade", "kind": "operating", "x": 0.05, "y": 0.8},
    ]
    chart = {"x_unit": "USD per request", "y_unit": "share of cases", "n": 70, "lines": [], "marks": marks}
    figures = (kept("quality_kept", 0.75, low=0.7, high=0.8), kept("cost_kept", 0.2, low=0.1, high=0.3))
    said = says(replace(with_figures(*figures), charts={"cost_quality": chart}))[0]
    assert said == (
        "At 50 % of the cost of always using strong the cascade keeps 100 % of its score: 80.0 % against 80.0 %, "
        "over 70 requests of the chart."
    )


def test_few_cases_are_said_to_be_few() -> None:
    assert any("every interval is wide" in sentence for sentence in says(recorded(n=40)))
    assert not any("every interval is wide" in sentence for sentence in says(KINDS["two tiers"]))


def test_a_router_that_does_not_beat_chance_is_said_not_to() -> None:
    report = with_figures(apgr(0.5), apgr(0.5, "random"), apgr(0.0, "router - random", -0.05, 0.05))
    assert any(sentence.startswith("Choosing at random") and "not sure" in sentence for sentence in says(report))


# The page


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, open ones, and the text."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unclosed: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


PAGES = {kind: render(report) for kind, report in KINDS.items()}


def svgs(page: str) -> Iterator[str]:
    for data in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page):
        yield base64.b64decode(data).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_the_network_for_nothing(kind: str) -> None:
    outside = re.sub(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", "", PAGES[kind])
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe| on\w+=", outside)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in outside
    for svg in svgs(PAGES[kind]):
        assert not re.search(r"<script|<image|@import|href=\"(?!#)|url\((?!#)", svg)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_well_formed_has_headings_in_order_and_alternatives_for_its_plots(kind: str) -> None:
    page = Page(PAGES[kind])
    assert page.unclosed == []
    assert page.open == []
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert ("html", {"lang": "en"}) in page.tags
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == len(available(KINDS[kind])) == len([tag for tag, _ in page.tags if tag == "figcaption"])
    assert all(image["alt"] for image in images)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_holds_every_figure_with_its_interval(kind: str) -> None:
    report, text = KINDS[kind], Page(PAGES[kind]).text
    money = Money.of(report)
    for figure in report.figures:
        signed = " - " in figure.of
        assert figure.of in text
        assert figure.stratum is None or figure.stratum in text
        assert number(figure.value, figure.unit, money, signed=signed) in text
        if figure.low is not None:
            ends = (number(end, figure.unit, money, signed=signed) for end in (figure.low, figure.high))
            assert f"({' to '.join(ends)})" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_what_the_report_says_and_where_it_comes_from(kind: str) -> None:
    report, text = KINDS[kind], Page(PAGES[kind]).text
    for sentence in says(report):
        assert sentence in text
    for part in (report.suite["title"], "router.yaml", "9ab19ab19ab1", "tiny-router", "2026-01-02", "Manifest"):
        assert part in text
    assert f"{report.suite['cases']} cases" in text
    assert f"{len(report.problems)} row" in text


def test_a_page_is_the_same_when_it_is_made_again() -> None:
    assert render(KINDS["cascade"]) == PAGES["cascade"]


def evil() -> Report:
    """A report whose every text would be a script."""
    report = cascade(tiers=(f"a{EVIL}", "b"), n=30)
    figures = (
        *report.figures,
        Figure(name=f"f{EVIL}", value=0.5, of=f"o{EVIL}", unit=f"u{EVIL}"),
        Figure(name="apgr", value=0.5, by=f"by{EVIL}", stratum=f"s{EVIL}"),
        Figure(name=f"recall:{EVIL}", value=0.5),
        Figure(name="apgr", value=0.1, of=f"router - {EVIL}"),
    )
    miss = {"case": f"id{EVIL}", "why": EVIL, "loss": 0.5, "strata": {EVIL: EVIL}, "observation": {EVIL: EVIL}}
    problem = Problem(file=EVIL, line=1, id=EVIL, code="x", message=EVIL)
    reliability = [{**KINDS["labels"].charts["reliability"][0], "name": EVIL}]
    return replace(
        report,
        suite={**report.suite, "name": EVIL, "title": EVIL, "sources": [EVIL]},
        subject={"name": EVIL, "kind": EVIL, "config_digest": EVIL, "model": {"name": EVIL, "digest": EVIL}},
        manifest={EVIL: EVIL, "list": [{EVIL: EVIL}]},
        figures=figures,
        charts={**report.charts, "worst": [miss], "reliability": reliability},
        problems=(problem,),
        timing={EVIL: EVIL},
    )


def test_nothing_from_a_report_becomes_markup() -> None:
    page = render(evil(), texts={f"id{EVIL}": f"the text {EVIL}"})
    parsed = Page(page)
    assert "<script" not in page
    assert {tag for tag, _ in parsed.tags} <= {
        *(
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "header",
            "main",
            "section",
            "div",
            "span",
            "p",
            "ul",
            "ol",
            "li",
        ),
        *("h1", "h2", "h3", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img", "details"),
        *("summary", "pre", "code", "strong"),
    }
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert f"the text {EVIL}" in parsed.text
    attributes = [each for _, found in parsed.tags for each in found.items()]
    assert any(EVIL in (value or "") for name, value in attributes if name == "alt")
    assert {name for name, _ in attributes} <= {
        *("lang", "charset", "name", "content", "http-equiv", "class", "role", "tabindex", "aria-label", "scope"),
        *("alt", "src"),
    }
    assert parsed.unclosed == []


def test_texts_of_requests_are_on_a_page_only_where_they_are_given() -> None:
    report = KINDS["two tiers"]
    first = report.charts["worst"][0]["case"]
    assert "Texts of requests are left out" in PAGES["two tiers"]
    assert "texts={case id: text}" in PAGES["two tiers"]
    given = render(report, texts={first: "What is 2 + 2?"})
    assert "What is 2 + 2?" in given
    assert "Texts of requests are left out" not in given


def test_a_page_lists_the_first_fifty_rows_that_were_left_out_and_counts_all() -> None:
    problems = tuple(
        Problem(file="cases.jsonl", line=line, id=None, code="x", message=f"Bad {line}!") for line in range(1, 121)
    )
    text = Page(render(replace(KINDS["labels"], problems=problems))).text
    assert "120 rows could not be used. The first 50 of them:" in text
    assert "cases.jsonl:50: Bad 50!" in text
    assert "Bad 51!" not in text


def test_a_report_with_almost_nothing_gives_a_page(tmp_path: Path) -> None:
    report = Report(suite={"name": "s"}, subject={}, manifest={}, figures=())
    path = write_page(report, tmp_path / "new" / "page.html")
    text = Page(path.read_text(encoding="utf-8")).text
    assert "No row was left out" in text
    assert "0 cases" in text


def test_a_page_of_a_worse_router_says_that_it_is_worse() -> None:
    report = with_figures(apgr(0.5), apgr(0.6, "length"), apgr(-0.1, "router - length", -0.15, -0.05))
    text = Page(render(report)).text
    assert "Prompt length alone gives APGR .600, the router .500: the router is worse" in text
    assert "router worse" in text


def test_saved_reports_give_the_same_page(tmp_path: Path) -> None:
    report = labelled()
    assert render(Report.load(report.save(tmp_path / "report.json"))) == render(report)


def test_rows_that_the_model_was_trained_on_are_told_first() -> None:
    report = recorded()
    rows = tuple(
        replace(row, strata={**row.strata, "trained_on": "yes" if n else "no"}) for n, row in enumerate(report.rows)
    )
    first = says(replace(report, rows=rows))[0]
    assert first.startswith(f"{len(rows) - 1:,} of {len(rows):,} cases are rows that the embedded model was trained on")


def test_a_tier_that_is_cheaper_and_no_worse_is_named() -> None:
    report = recorded()
    chart = dict(report.charts["cost_quality"])
    point = next(mark for mark in chart["marks"] if mark["kind"] == "operating")
    better = {"name": "middle", "kind": "tier", "x": point["x"] * 0.9, "y": point["y"]}
    charts = {**report.charts, "cost_quality": {**chart, "marks": [*chart["marks"], better]}}
    assert any("Always using middle" in each for each in says(replace(report, charts=charts)))
