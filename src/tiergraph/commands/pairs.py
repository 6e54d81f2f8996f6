"""Options of the form ``NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tiergraph.commands.group import BadUse


def named_numbers(
    given: Iterable[str], flag: str, form: str, example: str, number: Callable[[str], float] = float
) -> dict[str, float]:
    """Name to number of each ``NAME=NUMBER``; the last ``=`` parts them.

    Args:
        given: What stood behind the flag.
        flag, form, example: For the message, such as ``--share``, ``TIER=SHARE`` and ``quote=60%``.
        number: Raises ValueError for what is none.

    Raises:
        BadUse: One of them has no name or no number.
    """
    found = {}
    for each in given:
        name, _, text = each.rpartition("=")
        try:
            value = number(text)
        except ValueError:
            name = ""
        if not name:
            raise BadUse(f"{flag} {each!r} is no {form}. Fix: as in {flag} {example}")
        found[name] = value
    return found
