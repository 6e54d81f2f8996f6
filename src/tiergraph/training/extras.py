"""The optional packages of training."""

from __future__ import annotations

from functools import partial

from tiergraph import extras

require = partial(extras.require, extra="train")
"""Import a dotted module; `MissingExtraError` names the extra ``train``."""
