"""From the tokens of an answer to probabilities of the values that one of its fields may have. Pure.

A server lists, for each token, the likeliest others. Values are walked as texts, since no two tokenisers cut alike: at
every token of the value what is listed is matched against what each value would go on with.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence

from tiergraph.wire import TokenChance


def value_probabilities(
    tokens: Sequence[TokenChance], answer: str, field: str, values: Sequence[str]
) -> dict[str, float] | None:
    """Probability of each of ``values`` of a string field; they sum to 1.

    A value that the lists do not show has at most the smallest probability that they do, and no more than they leave.

    Args:
        tokens: Of the whole output, in order.
        answer: The JSON text within it; its last occurrence counts.
        field: Name of the field.

    Returns:
        ``None`` where the tokens do not hold the answer, its value is none of ``values``, or the lists show no value.
    """
    whole = "".join(token.text for token in tokens)
    start = _start_of(whole, answer, field)
    if start is None:
        return None
    for ascii_ in (False, True):  # as the model wrote it: plain, or with escapes
        spelled = {json.dumps(value, ensure_ascii=ascii_)[1:]: value for value in values}
        if any(whole.startswith(spelling, start) for spelling in spelled):
            masses = _walk(tokens, whole, start, tuple(spelled))
            total = math.fsum(masses.values())
            if not math.isfinite(total) or total <= 0:
                return None
            return {spelled[spelling]: mass / total for spelling, mass in masses.items()}
    return None


def _start_of(whole: str, answer: str, field: str) -> int | None:
    """Where the field's value begins, after its quotation mark."""
    begin = whole.rfind(answer) if answer else -1
    if begin < 0:
        return None
    found = re.compile(re.escape(json.dumps(field)) + r'\s*:\s*"').search(whole, begin)
    return found.end() if found else None


def _walk(tokens: Sequence[TokenChance], whole: str, start: int, spellings: tuple[str, ...]) -> dict[str, float]:
    """Mass of each spelling; empty where the lists say nothing of them.

    What reaches a token is shared among the values that go on there: a server that is held to a schema may list what it
    would have said without. A spelling ends with its quotation mark, so that none begins another.
    """
    masses = dict.fromkeys(spellings, 0.0)
    alive, reach = list(spellings), 1.0
    for at, token in _from(tokens, start):
        going = [s for s in alive if _goes_on(s, whole[start:at], token.text, whole[at:start])]
        here = _parting(token, alive, going, whole[start:at], whole[at:start])
        own = _chance(token.logprob)
        total = own + math.fsum(here.values())
        unknown = _outside(token) and len(going) < len(alive) and not any(mass > own for mass in here.values())
        if unknown or total <= 0:
            return {}
        for spelling, mass in here.items():
            masses[spelling] += reach * mass / total
        alive, reach = going, reach * own / total
        if len(alive) <= 1:
            break
    for spelling in alive[:1]:
        masses[spelling] += reach
    return masses


def _parting(token: TokenChance, alive: Sequence[str], going: Sequence[str], path: str, lead: str) -> dict[str, float]:
    """Mass of each value that would have gone on with another token than this one."""
    listed = {text: _chance(log) for text, log in token.alternatives.items() if text != token.text}
    masses: dict[str, float] = {}
    for text, chance in listed.items():
        fitting = [s for s in alive if _goes_on(s, path, text, lead)]
        if len(fitting) == len(alive) > 1:
            continue  # it says nothing of which value would follow
        for spelling in fitting:
            masses[spelling] = masses.get(spelling, 0.0) + chance / len(fitting)
    unseen = [s for s in alive if s not in masses and s not in going]
    chances = [*listed.values(), _chance(token.logprob)]
    least = min((chance for chance in chances if chance > 0), default=0.0)
    for spelling in unseen:
        masses[spelling] = min(least, max(0.0, 1.0 - math.fsum(chances)) / len(unseen))
    return masses


def _outside(token: TokenChance) -> bool:
    """Whether a token is less likely than all that are listed with it: then others like it are not listed either."""
    return bool(token.alternatives) and token.logprob < min(token.alternatives.values())


def _chance(log: float) -> float:
    return math.exp(min(0.0, log)) if math.isfinite(log) else 0.0


def _from(tokens: Sequence[TokenChance], start: int) -> Iterator[tuple[int, TokenChance]]:
    """Each token from the one that holds the value's first character, with its place in the text."""
    at = 0
    for token in tokens:
        if at + len(token.text) > start:
            yield at, token
        at += len(token.text)


def _goes_on(spelling: str, path: str, text: str, lead: str) -> bool:
    """Whether a value goes on, or ends, with a token. ``path``: what was written of it. ``lead``: before it began."""
    if not text.startswith(lead):
        return False
    written = path + text[len(lead) :]
    return bool(written) and (spelling.startswith(written) or written.startswith(spelling))
