"""All measured figures in one run, each beside its bar.

Rivals alternate in one loop, so that a busy machine slows both; medians, percentiles and sample counts are kept.
Nothing here names the host, its user or a path.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tiergraph.answering import Reply
from tiergraph.hosted_bench import QUOTED_MS, bench_hosted
from tiergraph.judges import EvidenceJudge, Verdict
from tiergraph.machine import machine
from tiergraph.proposers.base import Narrow, Proposed
from tiergraph.testing import ScriptedProposer
from tiergraph.timing import spread

Step = Callable[[str], None]
"""Told what is measured next."""

STEPS = 7
"""How often `run_bench` tells its ``step``, at most."""

IMPORTS = 5
"""Fresh processes for the import time."""

_EMPTY_NODES = ("screen", "propose", "draft", "judge", "finish")
"""The nodes that an answer accepted at the first tier visits."""

_PEAK = """
import resource, sys
from tiergraph.commands.loading import read_config
from tiergraph.decider import create_decider
with create_decider(read_config(None)) as decider:
    for number in range(200):
        decider.decide(f"How do I return order {number}?")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure has to reach. ``sense``: whether it must stay ``at_most`` or come to ``at_least``."""

    sense: Literal["at_most", "at_least"]
    value: float

    def met(self, figure: float | None) -> bool | None:
        """``None`` where there is no figure."""
        if figure is None:
            return None
        return figure <= self.value if self.sense == "at_most" else figure >= self.value


BARS: dict[str, Bar] = {
    "decision_over_floor": Bar(sense="at_most", value=1.3),
    "decision_over_floor_other_gguf": Bar(sense="at_most", value=2.2),
    "grammar_over_decision": Bar(sense="at_least", value=15),
    "screening_ms_per_kb_ordinary": Bar(sense="at_most", value=2),
    "screening_ms_per_kb_pii": Bar(sense="at_most", value=15),
    "graph_over_bare": Bar(sense="at_most", value=2),
    "hosted_over_bare_http": Bar(sense="at_most", value=1.2),
    "import_ms": Bar(sense="at_most", value=300),
}


def run_bench(
    *, gguf: str | None = None, repeats: int = 200, quick: bool = False, step: Step = lambda _: None
) -> dict[str, Any]:
    """Measure everything.

    Args:
        gguf: A further GGUF without the embedded model's contract, measured the same way.
        repeats: Samples of each figure, >= 10.
        quick: A tenth of the samples: to see that it runs, not to quote.
        step: Told what is measured next.

    Raises:
        ModelError: The embedded model or ``gguf`` cannot be loaded.
    """
    from tiergraph.engine_bench import bench_engine
    from tiergraph.screening.measure import measure_screening

    samples = max(10, repeats // 10) if quick else repeats
    report: dict[str, Any] = {"quick": quick, "repeats": samples, "machine": machine()}
    step("engine: embedded")
    report["engine"] = bench_engine("embedded", repeats=samples)
    report["other_gguf"] = None
    if gguf is not None:
        step("engine: other GGUF")
        report["other_gguf"] = bench_engine(gguf, repeats=samples)
    step("screening")
    report["screening"] = measure_screening(samples)
    step("graph over bare")
    report["graph_over_bare"] = graph_over_bare(repeats=max(samples, 20))
    step("hosted paths")
    report["hosted"] = bench_hosted(repeats=samples)
    step("import time")
    report["import_time"] = import_time(runs=2 if quick else IMPORTS)
    step("peak memory")
    report["peak_memory"] = peak_memory()
    report["figures"] = figures(report)
    return report


def figures(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures that have a name in the README: value, unit, bar and whether it is met (``None`` without a bar)."""
    engine, other = report["engine"], report["other_gguf"]
    grammar = engine["grammar"]
    rates = engine["decisions_per_second"]
    values: list[tuple[str, float | None, str]] = [
        ("decision_over_floor", engine["decision_over_floor_worst"], "ratio, worst length"),
        ("decision_over_floor_other_gguf", other and other["decision_over_floor_worst"], "ratio, worst length"),
        ("grammar_over_decision", grammar and grammar["grammar_over_decision"], "ratio"),
        ("decisions_per_second_1_thread", rates["one_thread"], "1/s"),
        ("decisions_per_second_2_threads", rates["two_threads"], "1/s"),
        ("screening_ms_per_kb_ordinary", _ms_per_kb(report["screening"], "ordinary"), "ms/KB"),
        ("screening_ms_per_kb_pii", _ms_per_kb(report["screening"], "pii_laden"), "ms/KB"),
        ("graph_over_bare", report["graph_over_bare"]["ratio"], "ratio"),
        ("hosted_over_bare_http", report["hosted"]["worst"], f"ratio, worst, {QUOTED_MS} ms"),
        ("import_ms", report["import_time"]["ms"]["median"], "ms"),
        ("peak_memory_mb", report["peak_memory"]["mb"], "MB"),
    ]
    return [_figure(name, value, unit) for name, value, unit in values]


def _ms_per_kb(screening: dict[str, Any], sample: str) -> float:
    """All text screens together."""
    parts = screening["samples"][sample].values()
    return float(sum(screen["median_ms_per_kb"] for screen in parts if isinstance(screen, dict)))


def _figure(name: str, value: float | None, unit: str) -> dict[str, Any]:
    bar = BARS.get(name)
    return {
        "name": name,
        "value": None if value is None else round(value, 3),
        "unit": unit,
        "bar": None if bar is None else asdict(bar),
        "met": None if bar is None else bar.met(value),
    }


def graph_over_bare(*, repeats: int) -> dict[str, Any]:
    """The graph's own time for an answer accepted at the first tier, against a bare LangGraph of as many empty nodes.

    Screens, router model, tier and judge are stand-ins that cost next to nothing; what is left is the graph's own.
    Times are in microseconds.
    """
    router, bare = _router(), _bare_graph()
    request = {"messages": [{"role": "user", "content": "How do I return an order?"}]}
    ours, empty = [], []
    gc.collect()
    for number in range(-10, repeats):  # the first ones warm up
        one, other = _seconds(router.invoke, request), _seconds(bare.invoke, request)
        if number >= 0:
            ours.append(one)
            empty.append(other)
    assert router.invoke(request)["routing"]["outcome"] == "answered"
    return {
        "nodes": len(_EMPTY_NODES),
        "graph_us": spread(ours, 1e6),
        "bare_us": spread(empty, 1e6),
        "ratio": statistics.median(ours) / statistics.median(empty),
    }


def _seconds(call: Callable[[Any], Any], argument: Any) -> float:
    began = time.perf_counter()
    call(argument)
    return time.perf_counter() - began


def _bare_graph() -> Any:
    from langgraph.graph import END, START, StateGraph

    from tiergraph.state import RouterInput

    graph = StateGraph(RouterInput)
    for name in _EMPTY_NODES:
        graph.add_node(name, _empty)
    for before, after in zip((START, *_EMPTY_NODES), (*_EMPTY_NODES, END), strict=True):
        graph.add_edge(before, after)
    return graph.compile()


def _empty(state: Any) -> dict[str, Any]:
    return {}


def _router() -> Any:
    """The real graph over stand-ins whose results are made beforehand."""
    from unittest.mock import patch

    from tiergraph import graph
    from tiergraph.commands.loading import read_config
    from tiergraph.decider import Decider
    from tiergraph.proposers.chain import Chain, Link

    config = read_config(None)
    stand_in = _NoProposer(config.ladder)
    # As the embedded model is: it keeps deadlines by itself and needs no thread for them.
    link = Link(proposer=stand_in, bounded=True)
    decider = Decider(config, Chain((link,), reader=stand_in, sufficiency=config.sufficiency))
    decider.screens = _NoScreens()  # type: ignore[assignment]
    with patch.object(graph, "build_client", lambda *_, **__: _NoTier()):
        return graph.create_tier_router(config, decider=decider, judge=_NoJudge())


class _NoScreens:
    def screen(self, *_: object, **__: object) -> tuple[()]:
        return ()


class _NoProposer(ScriptedProposer):
    """Asks policy, as every router model does, and proposes what it proposed before."""

    _proposed: Proposed | None = None

    def propose(self, text: str, *, narrow: Narrow, deadline: float, windows: int) -> Proposed:
        if self._proposed is None:
            self._proposed = super().propose(text, narrow=narrow, deadline=deadline, windows=windows)
        else:
            narrow(self._proposed.flags)
        return self._proposed


class _NoTier:
    _reply = Reply(text="Open Orders and choose Return.", input_tokens=100, output_tokens=8)

    def answer(self, *_: object) -> Reply:
        return self._reply


class _NoJudge(EvidenceJudge):
    """Stands in for the default judge, which is called without a thread and a time limit, as any other would be."""

    _verdict = Verdict(passed=True, score=1.0, reason="supported")

    def judge(self, *_: object, **__: object) -> Verdict:
        return self._verdict


def import_time(*, runs: int = IMPORTS) -> dict[str, Any]:
    """Milliseconds that ``import tiergraph`` adds to a fresh Python, and what ``-X importtime`` adds up to."""
    bare, full = [], []
    for _ in range(runs):
        bare.append(_seconds(_python, ["-c", "pass"]))
        full.append(_seconds(_python, ["-c", "import tiergraph"]))
    least = statistics.median(bare)
    lines = _python(["-X", "importtime", "-c", "import tiergraph"]).stderr.splitlines()
    total = next((line for line in reversed(lines) if line.rpartition("|")[2].strip() == "tiergraph"), "||")
    micro = total.split("|")[1].strip()
    return {
        "ms": spread([max(0.0, seconds - least) for seconds in full], 1e3),
        "python_ms": spread(bare, 1e3),
        "importtime_ms": round(int(micro) / 1e3, 2) if micro.isdigit() else None,
    }


def peak_memory() -> dict[str, Any]:
    """Highest resident memory, in 10^6 bytes, of a fresh process that makes 200 decisions with the packaged default."""
    if sys.platform == "win32":
        return {"mb": None}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"mb": round(int(_python(["-c", _PEAK]).stdout.split()[-1]) * unit / 1e6, 1), "decisions": 200}


def _python(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
