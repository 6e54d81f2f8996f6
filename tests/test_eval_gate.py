"""The gate that a pipeline fails on."""

from __future__ import annotations

import dataclasses
import json
import random
from types import SimpleNamespace

import pytest
from paired_reports import make_report, make_row

from tiergraph.errors import InputError
from tiergraph.evaluation.cases import Case, Suite
from tiergraph.evaluation.facts import facts_of
from tiergraph.evaluation.figures import build_report
from tiergraph.evaluation.gating import Check, Verdict, _half, gate
from tiergraph.evaluation.observations import Hop, Observation
from tiergraph.evaluation.report import Figure, Report
from tiergraph.tiers import Price, Tier


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
        # each has a standard deviation of .051, both together of .0722: 1.66 times that is .120
        (0.49, "higher", "passed"),
        (0.47, "higher", "failed"),
        (0.73, "higher", "better"),
        (0.71, "lower", "passed"),
        (0.73, "lower", "failed"),
        (0.47, "lower", "better"),
    ],
)
def test_without_rows_a_figure_fails_beyond_what_both_intervals_allow(value, better, status):
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
def test_where_only_the_new_report_has_an_interval_the_other_is_taken_to_be_as_sure(value, status):
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
    assert "surely worse" in " ".join(lines[1:3])
    assert lines[-1] == "FAILED: 1 of 4 checks failed."
    assert gate(stated(*old), stated(*old)).lines()[-1] == "PASSED: 0 of 4 checks failed."


def test_the_json_holds_every_check():
    value = json.loads(json.dumps(gate(make_report(rows(-0.05)), make_report(rows())).as_json(), allow_nan=False))
    assert value["passed"] is False
    assert {check["name"] for check in value["checks"]} == {
        "suite",
        "left_out",
        "errors",
        "share:nobody",
        "quality",
        "cost_usd",
    }
    assert (value["compared"], value["level"]) == (3, pytest.approx(0.05 / 3))


# -- requests that nobody takes, and figures over fewer cases ----------------------------------------------------------


def handed(count: int, *, n: int = 200, cascade: bool = False) -> list:
    """The first ``count`` go to a person; of a cascade the outcome says so."""
    served = "answered" if cascade else "route"
    return [
        make_row(row.id, None, outcome="human")
        if i < count
        else dataclasses.replace(row, observation=dataclasses.replace(row.observation, outcome=served))
        for i, row in enumerate(rows(n=n))
    ]


@pytest.mark.parametrize("cascade", [False, True])
def test_a_router_that_hands_requests_to_nobody_fails_though_what_is_left_scores_better(cascade):
    old, new = make_report(handed(0, cascade=cascade)), make_report(handed(60, cascade=cascade))
    verdict = gate(new, old)
    assert of(verdict, "share:nobody").status == "failed"
    assert of(verdict, "quality").status == "failed"
    assert "over 140 cases, 200 before: surely fewer, by 30.0 points" in of(verdict, "quality").reason
    assert gate(new, old, tolerance={"share:nobody": 0.5}).passed
    back = gate(old, new)
    assert back.passed
    assert of(back, "share:nobody").status == "better"


def test_one_request_more_that_nobody_takes_is_no_sure_rise():
    verdict = gate(make_report(handed(1)), make_report(handed(0)))
    assert verdict.passed
    assert of(verdict, "quality").reason.endswith("over 199 cases, 200 before")


@pytest.mark.parametrize("name", ["share:nobody", "share:human"])
def test_without_rows_the_share_that_nobody_takes_must_not_rise(name):
    old = stated(figure(), figure(name, 0.1, 0.03, better=None), figure("share:answered", 0.9, 0.03))
    new = stated(figure(), figure(name, 0.3, 0.03, better=None), figure("share:answered", 0.9, 0.03))
    assert of(gate(new, old), name).status == "failed"
    assert of(gate(new, old, metrics=["apgr"]), name).status == "failed"
    assert of(gate(old, new), name).status == "better"
    assert gate(new, old, tolerance={name: 0.3}).passed


def test_a_share_that_a_report_lacks_is_zero_there():
    answered = figure("share:answered", 0.9, 0.03)
    old, new = stated(answered), stated(answered, figure("share:human", 0.3, 0.03, better=None))
    assert of(gate(new, old), "share:human").status == "failed"
    assert of(gate(old, new), "share:human").status == "better"
    few = stated(answered, figure("share:human", 0.01, 0.02, better=None))
    assert of(gate(few, old), "share:human").status == "passed"


@pytest.mark.parametrize(("n", "passes"), [(97, True), (60, False)])
def test_without_rows_a_figure_over_surely_fewer_cases_fails(n, passes):
    old, new = (stated(figure(n=cases), more={"cases": 100}) for cases in (100, n))
    assert gate(new, old).passed == passes
    assert gate(new, old, tolerance={"share:nobody": 0.5}).passed


def test_figures_over_what_the_router_did_may_be_of_fewer_cases():
    # A router that flags and escalates less has fewer of both, which is no loss of evidence.
    names = ("precision:pii", "wrong_accepts", "needless_escalations", "cost_per_solved")
    old, new = (stated(figure("apgr"), *(figure(name, n=n) for name in names)) for n in (100, 10))
    assert gate(new, old).passed


# -- cases that end in an error ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"allow_data_change": True}])
def test_errors_that_a_baseline_without_rows_does_not_know_count_as_an_increase(options):
    errors = figure("failed", 0.9, 0.05, better="lower")
    digest = {"digest": "e" * 64} if options else {}
    old, new = stated(figure()), stated(figure(), errors, **digest)
    verdict = gate(new, old, **options)
    assert of(verdict, "errors").status == "failed"
    assert gate(new, old, tolerance={"errors": 0.95}, **options).passed
    assert gate(old, new, tolerance={}, allow_data_change=True).passed  # none is not gone


def test_errors_are_one_check_and_no_figure_beside_it():
    old, new = (stated(figure(), figure("failed", value, 0.3, better="lower")) for value in (0.5, 0.51))
    verdict = gate(new, old)
    assert [check.name for check in verdict.checks] == ["suite", "left_out", "errors", "apgr"]
    assert not verdict.passed
    assert gate(old, new).passed


# -- chance ------------------------------------------------------------------------------------------------------------


def test_each_of_many_figures_is_held_to_a_stricter_level_so_that_all_together_are_not():
    # The difference is twice its standard deviation: sure for one figure, and not for one of twenty.
    one, many = ([figure(f"f{i}") for i in range(count)] for count in (1, 20))
    worse = 0.6 - 2 * 0.0722
    alone = gate(stated(figure("f0", worse)), stated(*one))
    assert of(alone, "f0").status == "failed"
    together = gate(stated(figure("f0", worse), *many[1:]), stated(*many))
    assert of(together, "f0").status == "passed"
    assert (together.compared, together.level) == (20, pytest.approx(0.0025))
    assert "20 comparisons at a level of 0.0025 each, 0.05 together." in together.lines()


def test_a_few_pairs_are_less_sure_than_many_of_the_same_spread():
    quantile = _half(1.0, 5, 0.05)
    assert quantile == pytest.approx(2.132, abs=0.02)  # Student's, of four degrees of freedom
    assert _half(1.0, 10_000, 0.05) == pytest.approx(1.645, abs=0.001)


def test_unpaired_values_are_compared_by_the_widths_of_both_intervals():
    wide, old = figure(value=0.47, half=0.3), figure()
    assert of(gate(stated(figure(value=0.47)), stated(old)), "apgr").status == "failed"
    assert of(gate(stated(wide), stated(old)), "apgr").status == "passed"


def test_the_calibration_error_is_judged_by_pairs_or_where_it_is_asked_for_but_not_by_its_interval():
    # Resampling makes it larger: its interval may lie beside it.
    old, new = (stated(figure("ece", value, None, low=0.05, high=0.06, better="lower")) for value in (0.02, 0.2))
    assert gate(new, old).passed
    assert "not judged" in of(gate(new, old), "ece").reason
    assert not gate(new, old, metrics=["ece"]).passed
    assert not gate(new, old, tolerance={"ece": 0.01}).passed
    near = stated(figure("ece", 0.021, None, low=0.05, high=0.06, better="lower"))
    assert gate(near, old, metrics=["ece"]).passed  # by the widths, which chance has too


# -- figures that are paired by their definition -----------------------------------------------------------------------


def flagged(counts: tuple[int, int, int, int]) -> Report:
    """Rows of personal data found, missed, found where there is none, and neither; the figures that follow."""
    right, missed, alarms, clean = counts
    made = [*[(True, True)] * right, *[(True, False)] * missed, *[(False, True)] * alarms, *[(False, False)] * clean]
    there = [
        dataclasses.replace(
            make_row(f"c{i:03}", "big"),
            observation=Observation(case=f"c{i:03}", tier="big", findings=("pii",) if found else ()),
            right={"pii": asked == found},
        )
        for i, (asked, found) in enumerate(made)
    ]
    figures = (
        figure("precision:pii", right / (right + alarms), 0.3),
        figure("recall:pii", right / (right + missed), 0.3),
        figure("false_positive_rate:pii", alarms / (alarms + clean), 0.3, better="lower"),
    )
    return make_report(there, figures=figures)


def test_findings_are_paired_by_what_is_there_and_what_was_found():
    old, new = flagged((40, 10, 5, 45)), flagged((20, 30, 2, 48))
    changes = {check.name: check.change for check in gate(new, old).checks if check.change}
    assert changes["precision:pii"].value == pytest.approx(20 / 22 - 40 / 45)
    assert changes["recall:pii"].value == pytest.approx(-0.4)
    assert changes["false_positive_rate:pii"].value == pytest.approx(2 / 50 - 5 / 50)
    assert of(gate(new, old), "recall:pii").status == "failed"


def judged(wrong: int, needless: int) -> Report:
    """A judge of 30 unsupported drafts, of which it passes so many, and 50 supported, of which it rejects so many."""
    made = [(False, i < wrong) for i in range(30)] + [(True, i >= needless) for i in range(50)]
    there = [
        dataclasses.replace(
            make_row(f"c{i:03}", None),
            observation=Observation(case=f"c{i:03}", outcome="judged", passed=passed, score=0.9 if passed else 0.1),
            right={"grounded": supported == passed},
        )
        for i, (supported, passed) in enumerate(made)
    ]
    figures = (
        figure("wrong_accepts", wrong / 30, 0.3, better="lower"),
        figure("needless_escalations", needless / 50, 0.3, better="lower"),
        figure("auc:grounded", _auc(wrong, needless), 0.3),
    )
    return make_report(there, figures=figures)


def _auc(wrong: int, needless: int) -> float:
    passed, rejected = (50 - needless) / 50, (30 - wrong) / 30
    return passed * rejected + (passed * wrong / 30 + needless / 50 * rejected) / 2


def test_a_judge_is_paired_over_its_drafts_and_no_draft_is_taken_by_nobody():
    verdict = gate(judged(15, 5), judged(3, 10))
    changes = {check.name: check.change for check in verdict.checks if check.change}
    assert changes["wrong_accepts"].value == pytest.approx(12 / 30)
    assert changes["needless_escalations"].value == pytest.approx(-5 / 50)
    assert changes["auc:grounded"].value == pytest.approx(_auc(15, 5) - _auc(3, 10))
    assert of(verdict, "wrong_accepts").status == "failed"
    assert "share:nobody" not in {check.name for check in verdict.checks}


def test_a_cascade_is_paired_over_its_drafts():
    def report(wrong: int) -> Report:
        there = [
            dataclasses.replace(
                row,
                observation=dataclasses.replace(
                    row.observation,
                    outcome="answered",
                    quality=float(i >= wrong),
                    hops=(
                        Hop(tier="small", passed=False, quality=0.0),
                        Hop(tier="big", passed=True, quality=float(i >= wrong)),
                    ),
                ),
            )
            for i, row in enumerate(rows(n=100))
        ]
        figures = (
            figure("wrong_accepts", wrong / 100, 0.3, better="lower"),
            figure("needless_escalations", 0.0, 0.3, better="lower"),
            figure("answer_quality", 1 - wrong / 100, 0.3),
            figure("share:answered", 1.0, 0.3),
        )
        return make_report(there, figures=figures)

    verdict = gate(report(40), report(10))
    assert {check.name: check.change.value for check in verdict.checks if check.change} == pytest.approx(
        {
            "errors": 0.0,
            "share:nobody": 0.0,
            "wrong_accepts": 0.3,
            "needless_escalations": 0.0,
            "answer_quality": -0.3,
            "share:answered": 0.0,
        }
    )
    assert {check.name for check in verdict.checks if check.status == "failed"} == {"wrong_accepts", "answer_quality"}


# -- whole evaluations -------------------------------------------------------------------------------------------------

TIERS = tuple(
    Tier(name=name, model="quote", location="on_prem", price=Price(input=price, output=price))
    for name, price in (("low", 1.0), ("top", 10.0))
)


def evaluated(*, noise: float = 0.0, seed: int = 1, blind: bool = False, nobody: float = 0.0, n: int = 120) -> Report:
    """A router that sees how hard a request is, with noise of its own; ``blind`` sees nothing."""
    draws, own = random.Random(0), random.Random(seed)
    cases, hard = [], {}
    for i in range(n):
        level = draws.random()
        outcomes = {"low": float(draws.random() > level), "top": float(draws.random() > 0.2 * level)}
        costs = {"low": draws.uniform(1, 2), "top": draws.uniform(8, 12)}
        cases.append(Case(id=f"c{i:03}", text=f"request {i}", outcomes=outcomes, costs=costs))
        hard[f"request {i}"] = own.random() if blind else level

    def route(text: str) -> dict:
        score = min(max(hard[text] + own.gauss(0, noise), 0.0), 1.0)
        if own.random() < nobody:
            return {"tier": None, "score": score, "outcome": "human"}
        return {"tier": "top" if score > 0.5 else "low", "score": score, "tier_probabilities": None}

    observations = []
    for case in cases:
        said = route(case.text)
        observations.append(
            Observation(
                case=case.id,
                tier=said["tier"],
                outcome=said.get("outcome", "route"),
                score=said["score"],
                tier_probabilities={"low": 1 - said["score"], "top": said["score"]},
            )
        )
    suite = Suite(name="simulated", cases=tuple(cases), tiers=TIERS)
    subject = SimpleNamespace(config=None, tiers=TIERS, about=lambda: {"name": "r", "kind": "decider"})
    facts = facts_of(suite, TIERS, observations, None, 0)
    return build_report(suite, "d" * 64, subject, facts, resamples=200, timing={})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def baseline() -> Report:
    return evaluated(noise=0.1)


def test_every_figure_that_the_rows_give_is_paired(baseline):
    verdict = gate(evaluated(noise=0.1, seed=2), baseline)
    assert verdict.passed
    paired = {check.name for check in verdict.checks if check.change is not None}
    assert paired >= {
        *("quality", "cost_usd", "cost_per_solved", "quality_kept", "cost_kept", "apgr", "cpt50", "cpt80"),
        *("gap_to_oracle", "ece", "brier", "brier_skill", "share:nobody", "errors"),
    }
    unpaired = {check.name for check in verdict.checks if check.baseline and not check.change}
    assert unpaired == set()


def test_a_paired_difference_is_the_difference_of_the_stated_figures(baseline):
    new = evaluated(noise=0.3, seed=2)
    for check in gate(new, baseline).checks:
        if check.change is not None and check.baseline is not None and check.new is not None:
            assert check.change.value == pytest.approx(check.new.value - check.baseline.value, abs=1e-9), check.name
            assert check.change.low <= check.change.value <= check.change.high, check.name


def test_a_router_that_sees_nothing_fails_by_its_choices_and_its_probabilities(baseline):
    verdict = gate(evaluated(blind=True, seed=3), baseline)
    failed = {check.name for check in verdict.checks if check.status == "failed"}
    assert failed >= {"quality", "brier", "brier_skill"}


def test_a_whole_report_against_itself_changes_nothing(baseline):
    verdict = gate(baseline, baseline, strata=True)
    assert {check.status for check in verdict.checks} == {"passed"}
    assert {check.change.value for check in verdict.checks if check.change} == {0.0}


def test_a_whole_router_that_hands_a_third_to_nobody_fails(baseline):
    verdict = gate(evaluated(noise=0.1, nobody=0.3), baseline)
    failed = {check.name for check in verdict.checks if check.status == "failed"}
    assert failed >= {"share:nobody", "quality", "apgr", "brier"}
    without = gate(evaluated(noise=0.1, nobody=0.3), dataclasses.replace(baseline, rows=()))
    assert {check.name for check in without.checks if check.status == "failed"} >= {"share:nobody", "quality", "apgr"}


@pytest.mark.parametrize("name", ["apgr", "brier"])
def test_a_statistic_that_the_rows_do_not_give_is_not_used_to_pair(baseline, name):
    def shifted(report: Report) -> Report:
        figures = (
            dataclasses.replace(each, value=each.value + 0.01) if each.name == name else each for each in report.figures
        )
        return dataclasses.replace(report, figures=tuple(figures))

    new = evaluated(noise=0.1, seed=2)
    assert of(gate(new, baseline), name).change is not None
    assert of(gate(shifted(new), shifted(baseline)), name).change is None
    assert of(gate(new, shifted(baseline)), name).change is None
