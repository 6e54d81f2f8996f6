"""The optional packages of evaluation."""

from __future__ import annotations

from functools import partial

from tiergraph import extras

require = partial(extras.require, extra="eval")
"""Import a dotted module; `MissingExtraError` names the extra ``eval``."""
