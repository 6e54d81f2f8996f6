"""The drawing of the graph and the published schemas, kept so that a change shows in review.

To accept a change on purpose: ``python tests/test_snapshots.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from routers import Bench

from tiergraph.config import RouterConfig
from tiergraph.proposal import proposal_schema

HOME = Path(__file__).parent / "snapshots"
SNAPSHOTS = {
    "graph.mmd": lambda: Bench().router.get_graph().draw_mermaid(),
    "proposal.schema.json": lambda: json.dumps(proposal_schema(["small", "big"]), indent=2),
    "config.schema.json": lambda: json.dumps(RouterConfig.model_json_schema(), indent=2),
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_it_is_as_it_was(name):
    assert SNAPSHOTS[name]().strip() == (HOME / name).read_text(encoding="utf-8").strip()


if __name__ == "__main__":
    for name, render in SNAPSHOTS.items():
        (HOME / name).write_text(render().strip() + "\n", encoding="utf-8")
