"""The gate that a pipeline fails on."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from paired_reports import make_report, make_row

from tiergraph.errors import InputError
from tiergraph.evaluation.gating import Check, Verdict, gate
from tiergraph.evaluation.report import Figure, Report


def rows(shift: float = 0.0, *, noise: float = 0.0, n: int = 200, seed: int = 1) -> list:
    """Scores that differ from those of ``rows()`` by ``shift`` and noise, at a cost of 1."""
    draws, jitter = random.Random(seed), random.Random(seed + 1)
    return [
        make_row(f"c{i:03}", "big", 0.5 + draws.uniform(-0.3, 0.3) + shift + jitter.gauss(0, noise), 1.0)
        for i in range(n)
    ]


def figure(name: str = "apgr", value: float | None = 0.6, half: float | None = 0.1, **known) -> Figure:
    ends = {} if half is None or value is None else {"low": value - half, "high": value + half}
    return Figure(**{"name": name, "value": value, "better": "higher", "n": 100, **ends, **known})


def stated(*figures: Figure, **known) -> Report:
    """A report without rows."""
    return make_report(figures=figures, **known)


def of(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def test_a_report_passes_against_itself():
    verdict = gate(make_report(rows()), make_report(rows()))
    assert verdict.passed
    assert {check.status for check in verdict.checks} == {"passed"}


def test_a_real_drop_fails_where_cases_are_paired_though_it_lies_inside_the_interval():
    # The stated interval is +- .2 and the drop .05: only pairing sees it.
    verdict = gate(make_report(rows(-0.05, noise=0.05)), make_report(rows()))
    assert not verdict.passed
    check = of(verdict, "quality")
    assert check.status == "failed"
    assert "surely worse" in check.reason
    assert check.change is not None
    assert check.change.high < 0
    assert of(verdict, "cost_usd").status == "passed"


def test_noise_passes_where_cases_are_paired():
    verdict = gate(make_report(rows(0.0, noise=0.3)), make_report(rows()))
    assert verdict.passed
    assert of(verdict, "quality").change.value != 0


def test_a_sure_gain_passes_as_better():
    verdict = gate(make_report(rows(0.05)), make_report(rows()))
    assert verdict.passed
    assert of(verdict, "quality").status == "better"


def test_a_dearer_router_fails_for_lower_is_better():
    dear = [dataclasses.replace(row, cost_usd=1.2) for row in rows()]
    verdict = gate(make_report(dear), make_report(rows()))
    assert of(verdict, "cost_usd").status == "failed"
    assert of(gate(make_report(rows()), make_report(dear)), "cost_usd").status == "better"


def test_tolerance_is_how_much_worse_a_figure_may_be():
    new, old = make_report(rows(-0.05, noise=0.01)), make_report(rows())
    assert not gate(new, old, tolerance={"quality": 0.04}).passed
    assert gate(new, old, tolerance={"quality": 0.06}).passed


def test_rows_that_do_not_give_the_stated_figure_are_not_used_to_pair():
    figures = (figure("quality", 0.9),)
    verdict = gate(make_report(rows(-0.05), figures=figures), make_report(rows(), figures=figures))
    assert of(verdict, "quality").change is None
    assert verdict.passed


@pytest.mark.parametrize(
    ("value", "better", "status"),
    [
        (0.51, "higher", "passed"),
        (0.49, "higher", "failed"),
        (0.71, "higher", "better"),
        (0.69, "lower", "passed"),
        (0.71, "lower", "failed"),
        (0.49, "lower", "better"),
    ],
)
def test_without_rows_a_figure_fails_beyond_the_baselines_interval(value, better, status):
    verdict = gate(stated(figure(value=value, better=better)), stated(figure(better=better)))
    assert of(verdict, "apgr").status == status
    assert verdict.passed == (status != "failed")


def test_without_an_interval_a_drop_fails_only_where_the_figure_was_asked_for():
    old, new = stated(figure(half=None)), stated(figure(value=0.59, half=None))
    assert gate(new, old).passed
    assert "not judged" in of(gate(new, old), "apgr").reason
    assert not gate(new, old, metrics=["apgr"]).passed
    assert not gate(new, old, tolerance={"apgr": 0.005}).passed
    assert gate(new, old, tolerance={"apgr": 0.02}).passed
    assert gate(old, old, metrics=["apgr"]).passed
    assert not gate(stated(), old).passed  # gone is gone


@pytest.mark.parametrize(("value", "status"), [(0.55, "passed"), (0.45, "failed"), (0.75, "better")])
def test_where_only_the_new_report_has_an_interval_it_is_that_one(value, status):
    verdict = gate(stated(figure(value=value, half=0.1)), stated(figure(half=None)))
    assert of(verdict, "apgr").status == status


@pytest.mark.parametrize("new", [(), (figure(value=None),), (figure(value=float("nan")),)])
def test_a_figure_that_is_gone_fails(new):
    verdict = gate(stated(*new), stated(figure()))
    assert of(verdict, "apgr").status == "gone"
    assert not verdict.passed


@pytest.mark.parametrize("name", ["violations:pii", "policy_violations:refuse", "pii_outside"])
@pytest.mark.parametrize("better", ["lower", None])
def test_any_increase_of_policy_violations_fails_whatever_its_interval(name, better):
    old = stated(figure(name, 0.0, 0.5, better=better))
    verdict = gate(stated(figure(name, 0.001, 0.5, better=better)), old)
    assert of(verdict, name).status == "failed"
    assert gate(stated(figure(name, 0.0, 0.5, better=better)), old).passed


def test_violations_that_the_baseline_does_not_know_count_as_an_increase():
    verdict = gate(stated(figure(), figure("violations:legal", 1.0, None)), stated(figure()))
    assert of(verdict, "violations:legal").status == "failed"
    assert gate(stated(figure(), figure("violations:legal", 0.0, None)), stated(figure())).passed


def test_violations_are_checked_though_other_metrics_were_asked_for():
    old = stated(figure(), figure("violations:pii", 0.0, None))
    new = stated(figure(), figure("violations:pii", 2.0, None))
    assert not gate(new, old, metrics=["apgr"]).passed


def test_violations_have_no_tolerance():
    report = stated(figure("violations:pii", 0.0, None))
    with pytest.raises(InputError, match="no tolerance"):
        gate(report, report, tolerance={"violations:pii": 1.0})


def test_times_never_fail_unless_they_are_asked_for():
    old, new = (stated(figure("latency", value, 1.0, unit="ms", better="lower")) for value in (10.0, 99.0))
    assert gate(new, old).passed
    assert not gate(new, old, metrics=["latency"]).passed


def test_figures_of_baselines_and_without_a_better_side_are_not_checked():
    extra = (figure("apgr", 0.9, of="oracle"), figure("share:big", 0.9, better=None))
    verdict = gate(stated(figure()), stated(figure(), *extra))
    assert [check.name for check in verdict.checks] == ["suite", "left_out", "apgr"]


def test_strata_are_checked_when_asked_for():
    old = stated(figure(), figure(by="intent", stratum="code"))
    new = stated(figure(), figure(value=0.3, by="intent", stratum="code"))
    assert gate(new, old).passed
    verdict = gate(new, old, strata=True)
    assert of(verdict, "apgr (intent=code)").status == "failed"


def test_strata_are_paired_over_their_own_rows():
    def report(shift: float) -> Report:
        easy = [dataclasses.replace(row, strata={"kind": "easy"}) for row in rows(shift)]
        hard = [make_row(f"h{i:03}", "big", 0.5, 1.0, strata={"kind": "hard"}) for i in range(200)]
        scores = [row.quality for row in easy]
        mean = sum(scores) / len(scores)
        figures = (
            figure("quality", (mean + 0.5) / 2, 0.2),
            figure("quality", mean, 0.2, by="kind", stratum="easy"),
            figure("quality", 0.5, 0.2, by="kind", stratum="hard"),
        )
        return make_report([*easy, *hard], figures=figures)

    verdict = gate(report(-0.05), report(0.0), strata=True)
    assert of(verdict, "quality (kind=easy)").status == "failed"
    assert of(verdict, "quality (kind=easy)").change.n == 200
    assert of(verdict, "quality (kind=hard)").status == "passed"


def test_another_suite_fails_unless_the_data_may_change():
    old, new = make_report(rows()), make_report(rows(-0.05), digest="e" * 64)
    verdict = gate(new, old)
    assert of(verdict, "suite").status == "failed"
    assert "run the baseline again" in of(verdict, "suite").reason
    allowed = gate(new, old, allow_data_change=True)
    assert allowed.passed
    assert of(allowed, "quality").change is None  # the same ids need not be the same cases


def test_another_number_of_rows_left_out_fails_unless_the_data_may_change():
    old, new = make_report(rows()), make_report(rows(), left_out=3)
    verdict = gate(new, old)
    assert of(verdict, "left_out").reason.startswith("3 rows were left out, 0 of the baseline")
    assert not verdict.passed
    assert gate(new, old, allow_data_change=True).passed


def test_more_cases_that_end_in_an_error_fail_though_the_rest_scores_better():
    good = rows()
    broken = [make_row(row.id, None, outcome="error") if row.quality < 0.4 else row for row in good]
    verdict = gate(make_report(broken), make_report(good))
    assert of(verdict, "errors").status == "failed"
    assert of(verdict, "quality").status == "passed"
    assert "over" in of(verdict, "quality").reason
    assert gate(make_report(broken), make_report(good), tolerance={"errors": 0.9}).passed


def test_the_order_of_rows_changes_nothing():
    old, new = rows(), rows(-0.02, noise=0.1)
    shuffled = random.Random(7).sample(new, len(new))
    one, other = (gate(make_report(each), make_report(old)).as_json() for each in (new, shuffled))
    assert one == other


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"metrics": ["nonsense"]}, "unknown_metric"),
        ({"tolerance": {"nonsense": 0.1}}, "unknown_metric"),
        ({"tolerance": {"apgr": -0.1}}, "bad_tolerance"),
        ({"tolerance": {"apgr": float("nan")}}, "bad_tolerance"),
    ],
)
def test_a_wrong_option_is_refused(options, code):
    with pytest.raises(InputError, match="Fix") as caught:
        gate(stated(figure()), stated(figure()), **options)
    assert caught.value.code == code


def test_lines_keep_to_80_columns_and_say_first_what_failed():
    old = (figure("a_name_that_is_much_longer_than_the_column_is_wide", 0.123456, 0.01), figure("apgr", 0.612, 0.02))
    new = (figure("a_name_that_is_much_longer_than_the_column_is_wide", 0.123456, 0.01), figure("apgr", 0.3, 0.02))
    lines = gate(stated(*new), stated(*old)).lines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("FAIL apgr")
    assert "0.612" in lines[0]
    assert "beyond the baseline's interval" in " ".join(lines[1:3])
    assert lines[-1] == "FAILED: 1 of 4 checks failed."
    assert gate(stated(*old), stated(*old)).lines()[-1] == "PASSED: 0 of 4 checks failed."


def test_the_json_holds_every_check():
    value = json.loads(json.dumps(gate(make_report(rows(-0.05)), make_report(rows())).as_json(), allow_nan=False))
    assert value["passed"] is False
    assert {check["name"] for check in value["checks"]} == {"suite", "left_out", "errors", "quality", "cost_usd"}
