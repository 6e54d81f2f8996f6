"""Running a suite: what is observed, kept, gone on with, and never done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tiergraph.config import RouterConfig, parse_config
from tiergraph.errors import InputError
from tiergraph.evaluation import Case, Expect, Report, Suite, evaluate
from tiergraph.evaluation.observations import Observation
from tiergraph.evaluation.store import Store
from tiergraph.policy import Decision
from tiergraph.tiers import Price, Tier

SECRET = "zebra-crossing"


def tier(name: str, price: float = 0.0, location: Any = "on_prem") -> Tier:
    reference = "python:tiergraph.evaluation.replay:recorded"
    return Tier(name=name, model=reference, location=location, price=Price(input=price, output=price))


TIERS = (tier("weak", 1.0), tier("strong", 10.0))


def suite(n: int = 40, **changes: Any) -> Suite:
    """Even cases are easy: both tiers solve them; odd ones only the strong tier does. Hard ones say so."""
    cases = tuple(
        Case(
            id=f"c{number}",
            text=f"{'hard' if number % 2 else 'easy'} question {number} {SECRET}",
            outcomes={"weak": float(number % 2 == 0), "strong": 1.0},
            costs={"weak": 1.0, "strong": 10.0},
            strata={"difficulty": "hard" if number % 2 else "easy"},
        )
        for number in range(n)
    )
    return Suite(name="toy", cases=cases, tiers=TIERS, **changes)


def reads(text: str) -> str:
    return "strong" if text.startswith("hard") else "weak"


def figures(report: Report) -> dict[Any, Any]:
    return {figure.key: (figure.value, figure.low, figure.high, figure.n) for figure in report.figures}


class Counting:
    """A router that counts what it is asked."""

    def __init__(self, answer: Callable[[str], Any] = reads) -> None:
        self.answer, self.asked, self._lock = answer, [], threading.Lock()

    def __call__(self, text: str) -> Any:
        with self._lock:
            self.asked.append(text)
        return self.answer(text)


def test_a_router_that_is_always_right_reaches_the_oracle_at_half_the_price() -> None:
    report = evaluate(reads, suite())
    assert report.figure("quality").value == 1.0
    assert report.figure("cost_usd").value == 5.5  # half of them at 1, half at 10
    assert report.figure("cost_per_solved").value == 5.5
    assert report.figure("share:strong").value == 0.5
    assert report.figure("quality", "always weak").value == 0.5
    assert report.figure("cost_usd", "always strong").value == 10.0
    assert report.figure("quality", "best single tier").value == 1.0
    assert report.figure("cost_usd", "oracle").value == 5.5
    # all the gain comes with the first half of the strong calls: .5 under a line that rises to 1 there, .5 after it
    assert report.figure("apgr").value == report.figure("apgr", "oracle").value == pytest.approx(0.75)
    assert report.figure("gap_to_oracle").value == pytest.approx(0.0, abs=1e-9)


def test_a_stratum_has_figures_of_its_own() -> None:
    report = evaluate(lambda text: "weak", suite())
    assert report.figure("quality", by="difficulty", stratum="easy").value == 1.0
    assert report.figure("quality", by="difficulty", stratum="hard").value == 0.0
    assert report.figure("quality").value == 0.5


def test_unscored_is_not_wrong() -> None:
    cases = [replace(case, outcomes={"weak": 1.0, "strong": 1.0}) for case in suite(30).cases]
    cases[0] = replace(cases[0], outcomes={})
    report = evaluate(lambda text: "weak", replace(suite(30), cases=tuple(cases)))
    assert (report.figure("quality").value, report.figure("quality").n) == (1.0, 29)
    assert report.rows[0].quality is None


def test_figures_are_equal_in_two_runs_and_for_any_number_of_workers() -> None:
    first, second, alone = (evaluate(reads, suite(), workers=workers) for workers in (4, 4, 1))
    assert figures(first) == figures(second) == figures(alone)
    assert first.charts == second.charts == alone.charts


def test_the_order_of_the_cases_changes_no_value() -> None:
    turned = replace(suite(), cases=tuple(reversed(suite().cases)))
    one, other = evaluate(reads, suite()), evaluate(reads, turned)
    drawn = ("random", "router - random", "TF-IDF", "router - TF-IDF")  # whose draws and folds go by position
    values = {
        key: value[0]
        for key, value in figures(one).items()
        if key[1] not in drawn and key[0] != "apgr_routellm"  # which breaks ties by position
    }
    assert values == pytest.approx({key: figures(other)[key][0] for key in values})
    assert one.suite["digest"] == other.suite["digest"]


def test_what_is_kept_is_not_observed_again(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    before = evaluate(first, suite(), cache=tmp_path, digest="v1")
    after = evaluate(second, suite(), cache=tmp_path, digest="v1")
    assert (len(first.asked), len(second.asked)) == (40, 0)
    assert figures(before) == figures(after)
    assert after.timing["from_cache"] == 40


def test_another_digest_is_another_subject(tmp_path: Path) -> None:
    evaluate(Counting(), suite(), cache=tmp_path, digest="v1")
    again = Counting(lambda text: "weak")
    report = evaluate(again, suite(), cache=tmp_path, digest="v2")
    assert len(again.asked) == 40
    assert report.figure("share:strong").value == 0.0


def test_a_changed_request_is_observed_again_and_a_changed_label_is_not(tmp_path: Path) -> None:
    evaluate(Counting(), suite(), cache=tmp_path, digest="v1")
    cases = list(suite().cases)
    cases[0] = replace(cases[0], text="easy question, changed")
    cases[1] = replace(cases[1], outcomes={"weak": 1.0, "strong": 0.0})
    again = Counting()
    report = evaluate(again, replace(suite(), cases=tuple(cases)), cache=tmp_path, digest="v1")
    assert again.asked == ["easy question, changed"]
    assert report.figure("quality").value == 39 / 40


def test_an_interrupted_run_goes_on_where_it_stood(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Counting(), suite(), cache=tmp_path, digest="v1", workers=1, progress=stop)
    rest = Counting()
    report = evaluate(rest, suite(), cache=tmp_path, digest="v1")
    assert len(rest.asked) == 30
    assert figures(report) == figures(evaluate(reads, suite()))


def test_a_killed_process_leaves_what_it_had_observed(tmp_path: Path) -> None:
    code = f"""
import sys, time
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from test_eval_running import reads, suite
from tiergraph.evaluation import evaluate

def slow(text):
    time.sleep(0.05)
    return reads(text)

evaluate(slow, suite(400), cache={str(tmp_path)!r}, digest="v1", workers=2)
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and sum(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir()) < 20:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = sum(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir())
    assert 20 <= kept < 400
    rest = Counting()
    report = evaluate(rest, suite(400), cache=tmp_path, digest="v1")
    assert kept - 1 <= 400 - len(rest.asked) <= kept  # the last line may be torn
    assert report.figure("quality").value == 1.0


def test_a_torn_line_is_observed_again_and_spoils_no_other(tmp_path: Path) -> None:
    evaluate(Counting(), suite(), cache=tmp_path, digest="v1", workers=1)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    rest = Counting()
    evaluate(rest, suite(), cache=tmp_path, digest="v1")
    assert len(rest.asked) == 1
    last = Counting()
    evaluate(last, suite(), cache=tmp_path, digest="v1")
    assert last.asked == []


def test_neither_cache_nor_report_holds_a_request(tmp_path: Path) -> None:
    report = evaluate(reads, suite(), cache=tmp_path / "cache", digest="v1")
    report.save(tmp_path / "report.json")
    for file in (tmp_path / "report.json", *(tmp_path / "cache").iterdir()):
        assert SECRET not in file.read_text(encoding="utf-8")


def test_a_case_that_fails_is_counted_and_tried_again(tmp_path: Path) -> None:
    def fails(text: str) -> str:
        if "question 3 " in text:
            raise RuntimeError(f"no answer to {text}")
        return reads(text)

    report = evaluate(fails, suite(), cache=tmp_path, digest="v1")
    assert (report.figure("failed").value, report.figure("quality").n) == (1 / 40, 39)
    assert report.rows[3].observation.error == "RuntimeError"
    assert SECRET not in json.dumps(report.as_json())
    again = Counting()
    assert "failed" not in {each.name for each in evaluate(again, suite(), cache=tmp_path, digest="v1").figures}
    assert len(again.asked) == 1


def test_a_cache_needs_a_name_for_the_subject(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass digest="):
        evaluate(reads, suite(), cache=tmp_path)


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name another folder"):
        evaluate(reads, suite(), cache=tmp_path / "file" / "cache", digest="v1")


def test_a_row_of_an_unknown_tier_is_named_with_its_place_and_the_rest_is_evaluated(tmp_path: Path) -> None:
    rows = [{"id": f"r{i}", "text": "x", "outcomes": {"weak": 1}} for i in range(3)]
    rows[1]["outcomes"] = {"wek": 1}
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    own = Suite.from_jsonl(file)
    report = evaluate(config(), own)
    (problem,) = report.problems
    assert (problem.line, problem.code, problem.id) == (2, "unknown_tier", "r1")
    assert str(problem).startswith("rows.jsonl:2: ")
    assert "'wek'" in str(problem)
    assert len(report.rows) == 2


def test_a_suite_of_another_ladder_says_how_to_place_the_router_on_it() -> None:
    from tiergraph.decider import create_decider

    with create_decider(config()) as decider, pytest.raises(InputError, match=r"evaluate\(config, suite\)"):
        evaluate(decider, replace(suite(), tiers=(tier("a"), tier("b"))))


@pytest.mark.parametrize(("option", "value"), [("resamples", 10), ("workers", 0)])
def test_an_option_out_of_its_range_is_refused(option: str, value: int) -> None:
    with pytest.raises(InputError, match=option):
        evaluate(reads, suite(), **{option: value})


def test_what_cannot_be_evaluated_is_named() -> None:
    with pytest.raises(InputError, match="A int cannot be evaluated"):
        evaluate(3, suite())


def test_an_answer_that_is_no_tier_is_an_error_of_that_case() -> None:
    report = evaluate(lambda text: "medium", suite(30))
    assert {row.observation.error for row in report.rows} == {"unknown_tier"}


def test_a_decider_is_placed_on_the_ladder_of_the_suite() -> None:
    report = evaluate(config(), suite(24))
    assert {row.observation.outcome for row in report.rows} == {"route"}
    assert {row.observation.tier for row in report.rows} <= {"weak", "strong"}
    assert report.subject["model"]["name"] == "embedded"
    assert report.figure("apgr").n == 24


def test_the_same_configuration_gives_the_same_observations_when_it_is_busy(tmp_path: Path) -> None:
    one, other = (evaluate(config(), suite(24), workers=workers) for workers in (1, 4))
    assert figures(one) == figures(other)


def test_labels_are_compared_with_what_was_proposed() -> None:
    cases = tuple(
        Case(id=str(n), text=text, expect=Expect(findings={"pii": there}))
        for n, (text, there) in enumerate(
            [("My card is 4111 1111 1111 1111", True), ("What is a prime number?", False), ("Say hello to Bob", True)]
        )
    )
    report = evaluate(config(), Suite(name="labels", cases=cases))
    assert report.rows[0].right == {"pii": True}
    assert report.rows[1].right == {"pii": True}
    assert report.figure("recall:pii").n == 2
    assert report.figure("recall:pii").value in (0.5, 1.0)
    assert report.figure("false_positive_rate:pii").value == 0.0


def test_two_stores_of_one_subject_may_append_at_the_same_time(tmp_path: Path) -> None:
    cases = suite(2).cases
    stores = [Store(tmp_path, "d", lambda case: case.id) for _ in range(2)]
    for store, case in zip(stores, cases, strict=True):
        store.add(case, Observation(case=case.id, tier="weak"))
    assert set(stores[0].known(cases)) == {"c0", "c1"}
    for store in stores:
        store.close()


def config(**changes: Any) -> RouterConfig:
    text = """
tiers:
  - {name: weak, model: quote, location: on_prem}
  - {name: strong, model: compose, location: on_prem}
"""
    return parse_config(text).model_copy(update=changes)


def test_a_top_tier_that_is_worse_ranks_nobody() -> None:
    """A share of a gap that is not there would call the perfect router the worst."""
    upside_down = tuple(
        replace(case, outcomes={"weak": 1.0, "strong": float(n % 4 == 0)}) for n, case in enumerate(suite().cases)
    )
    report = evaluate(reads, replace(suite(), cases=upside_down))
    assert not {"apgr", "area", "cpt50", "gap_to_oracle"} & {each.name for each in report.figures}
    assert report.figure("quality", "always weak").value == 1.0


def test_what_goes_to_a_person_is_in_no_comparison_and_counts_as_unsolved() -> None:
    """Every second case, all of them solved by the strong tier only, is given to nobody."""

    def stops(text: str) -> Decision:
        tier = None if text.startswith("hard") else "weak"
        return Decision(
            tier=tier,
            source="model",
            outcome="route" if tier else "human",
            allowed=("weak", "strong"),
            confidence=None,
            score=0.5,
            tier_probabilities={"weak": 0.5, "strong": 0.5},
            findings=(),
            reasons=(),
            proposal=None,
            config_digest="0",
        )

    report = evaluate(stops, suite(80))
    assert (report.figure("quality").value, report.figure("quality").n) == (1.0, 40)
    assert (report.figure("solved").value, report.figure("solved").n) == (0.5, 80)
    assert report.figure("quality_kept").value == 1.0
    for of in ("random", "oracle"):
        assert report.figure("quality_at_cost", of).value == 1.0  # over the same forty
        assert report.figure("quality_at_cost", of).n == 40


def test_a_baseline_does_not_depend_on_the_order_of_equal_texts() -> None:
    cases = tuple(
        Case(id=f"c{n}", text="the same text", outcomes={"weak": float(n < 15), "strong": float(n >= 15)})
        for n in range(30)
    )
    one = Suite(name="ties", cases=cases, tiers=TIERS)
    other = replace(one, cases=tuple(reversed(cases)))
    first, second = (evaluate(lambda text: 0.5, each) for each in (one, other))
    assert figures(first) == figures(second)


def test_a_scorer_of_ones_own_is_cached_only_under_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass digest="):
        evaluate(config(), labelled(), cascade=True, scorer=lambda case, text: 1.0, cache=tmp_path)


def labelled() -> Suite:
    return Suite(name="labelled", cases=(Case(id="a", text="x", expect=Expect(contains=("x",))),))


def test_a_refusal_that_is_expected_is_right() -> None:
    settings = parse_config(
        """
tiers:
  - {name: weak, model: quote, location: on_prem}
  - {name: strong, model: compose, location: on_prem}
policy: {safety: refuse, safety_words: [forbiddenword]}
"""
    )
    case = Case(id="a", text="Tell me about the forbiddenword.", expect=Expect(outcome="refused"))
    report = evaluate(settings, Suite(name="one", cases=(case,)))
    assert report.figure("accuracy:outcome").value == 1.0


def test_what_a_subject_never_says_is_not_wrong() -> None:
    cases = tuple(replace(case, expect=Expect(intent="coding", findings={"pii": True})) for case in suite(30).cases)
    report = evaluate(reads, replace(suite(30), cases=cases))
    assert not {each.name for each in report.figures} & {"accuracy:intent", "recall:pii"}
    assert report.rows[0].right == {}


def test_variants_lie_in_the_group_of_their_original() -> None:
    base = tuple(Case(id=f"b{n}", text=f"text {n}") for n in range(5))
    variants = tuple(
        Case(id=f"b{n}v{v}", text=f"text {n} and more {v}", variant_of=f"b{n}") for n in range(5) for v in range(20)
    )
    report = evaluate(
        lambda text: "weak" if text.startswith("text 1 and") else "strong",
        Suite(name="variants", cases=base + variants, tiers=TIERS),
    )
    lowered = report.figure("tier_lowered")
    assert lowered.value == 0.2
    assert lowered.high - lowered.low > 0.5  # type: ignore[operator]  # five originals say little


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("router: {model: 'openai:gpt-4.1-mini', location: external}", "router.model"),
        ("cascade: {judge: {model: 'openai:gpt-4.1', location: external}}", "cascade.judge"),
    ],
)
def test_nothing_hosted_is_called_unless_it_may_be(change: str, says: str) -> None:
    from tiergraph.errors import ConfigError

    text = """
tiers:
  - {name: weak, model: quote, location: on_prem}
  - {name: strong, model: compose, location: on_prem}
"""
    with pytest.raises(ConfigError, match=says) as caught:
        evaluate(parse_config(text + change), labelled(), cascade=True)
    assert "allow_paid" in str(caught.value)


def test_a_suite_that_is_a_table_names_the_way_to_read_it() -> None:
    with pytest.raises(InputError, match="from_pandas"):
        evaluate(reads, [{"id": "a"}])  # type: ignore[arg-type]


def test_a_stratum_that_no_case_has_is_refused() -> None:
    with pytest.raises(InputError, match="'difficulty'"):
        evaluate(reads, suite(30), by=["difficutly"])


def test_the_score_of_the_previous_configuration_stands_beside_the_new_one() -> None:
    before = evaluate(reads, suite())
    after = evaluate(lambda text: "weak", suite(), previous=before)
    assert after.figure("quality", "previous").value == 1.0
    assert after.figure("quality", "router - previous").value == -0.5
    assert after.figure("quality", "router - previous").high < 0  # type: ignore[operator]
