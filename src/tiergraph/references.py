"""What ``python:module:attribute`` names, for every slot that takes such a reference."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from tiergraph.errors import ConfigError, TiergraphError

PREFIX = "python:"


def resolve(reference: str, where: str) -> Any:
    """The object that a reference names.

    Args:
        reference: ``python:module:attribute``, with or without ``python:``; the attribute may have dots.
        where: The part of the configuration that holds it, for errors.

    Raises:
        ConfigError: It cannot be imported; names ``where``.
    """
    module, _, attribute = reference.removeprefix(PREFIX).partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{where}: {reference!r} cannot be imported ({error}).", fix="check module and attribute."
        ) from None
    except TiergraphError:
        raise
    except Exception as error:  # the module's own code ran; its message may hold what it read
        raise ConfigError(
            f"{where}: {reference!r} cannot be imported ({type(error).__name__}).", fix="import the module and see why."
        ) from error
    return found


def build(reference: str, where: str, *, params: Mapping[str, Any], ready: Callable[[Any], bool]) -> Any:
    """The object that a reference names, or what it makes when called with ``params``: a class, or a function.

    ``ready``: whether an object is what the slot wants, so that it is not called even where it could be.

    Raises:
        ConfigError: As `resolve`, or it cannot be made; names ``where``.
    """
    found = resolve(reference, where)
    if not isinstance(found, type) and (ready(found) or not callable(found)):
        return found
    try:
        return found(**params)
    except TiergraphError:
        raise
    except Exception as error:  # its message may hold a key that is among the parameters
        raise ConfigError(
            f"{where}: {reference!r} cannot be made with params {sorted(params)} ({type(error).__name__}).",
            fix="call it with these params in Python and see why.",
        ) from error
