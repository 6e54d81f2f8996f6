"""Size of the model file, and what a decision costs over the bare decode of the same tokens."""

from __future__ import annotations

from tiergraph.engine_bench import bench_engine
from tiergraph.evaluation.intervals import Interval
from tiergraph.evaluation.router_model import model_bytes
from tiergraph.evaluation.router_rows import Bar, Row
from tiergraph.evaluation.router_trial import Trial

LENGTHS = (8, 16, 32, 64, 128)
"""Request tokens."""


def speed(trial: Trial) -> tuple[Row, ...]:
    """Both, with the ratio of every length."""
    size = model_bytes(trial.asking.model) / 1e6
    report = bench_engine(trial.asking.model, repeats=trial.repeats, request_tokens=LENGTHS)
    lengths = report["request_tokens"]
    return (
        Row(
            name="GGUF size", figure=Interval(size, None, None, 1), unit="MB", bar=Bar(sense="at_most", must=12, aim=8)
        ),
        Row(
            name="worst decision over floor, 8 to 128 tokens",
            figure=Interval(report["decision_over_floor_worst"], None, None, trial.repeats),
            unit="ratio",
            bar=Bar(sense="at_most", must=1.3, aim=1.1),
            note="medians of decision and bare decode in one loop; a busy machine disturbs them",
            details={
                "decision_over_floor": {tokens: round(of["decision_over_floor"], 4) for tokens, of in lengths.items()},
                "of_processor_time": {
                    tokens: round(of["decision_over_floor_cpu"], 4) for tokens, of in lengths.items()
                },
                "decision_us": {tokens: of["decision_us"]["median"] for tokens, of in lengths.items()},
            },
        ),
    )
