"""Optional packages, imported where they are first used."""

from __future__ import annotations

import importlib
from typing import Any

from tiergraph.errors import MissingExtraError


def require(name: str, *, extra: str) -> Any:
    """Import ``name`` (a dotted module).

    Raises:
        MissingExtraError: It is not installed (an ImportError that names the extra which brings it).
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name.split(".")[0], extra=extra) from error
