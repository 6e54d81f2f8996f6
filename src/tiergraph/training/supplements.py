"""All own-written rows together."""

from __future__ import annotations

import random

from tiergraph.training import templates, templates_legal, templates_pii, templates_wide
from tiergraph.training.labels import Row

_PARTS = (("templates", 0.5), ("templates_legal", 0.2), ("templates_pii", 0.3))


def supplements(count: int, seed: int) -> list[Row]:
    """About ``count`` distinct own-written rows, the same for the same seed."""
    draw = random.Random(f"supplements {seed}")
    slots = {**templates.SLOTS, **templates_legal.SLOTS, **templates_wide.SLOTS}
    families = {
        "templates": (*templates.FAMILIES, *templates_wide.FAMILIES),
        "templates_legal": (*templates_legal.FAMILIES, *templates_wide.LEGAL),
    }
    made: list[Row] = []
    for name, share in _PARTS:
        wanted = round(count * share)
        if name == "templates_pii":
            made += templates_pii.rows(slots, wanted, draw)
        else:
            made += templates.rows(families[name], slots, wanted, draw, name)
    return list({row.text: row for row in made}.values())
