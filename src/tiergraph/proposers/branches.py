"""Any other GGUF: the fields branch as parallel sequences over the same request tokens, in one decode.

After the request every field asks its own question, a label such as ``topic``, as a sequence of its own; labels
that begin alike share tokens. Where the values of a field part after more tokens, the path to that place is one more
branch. All of it is decoded in one batch together with the request, and only the places where values part give
logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tiergraph.errors import ConfigError
from tiergraph.prompting import PROMPTS, load_prompt
from tiergraph.proposers.calibration import DEFAULT_THRESHOLD, Calibration, TierScores
from tiergraph.proposers.constrained import Path, Spelling, Tokenise, spell
from tiergraph.proposers.reading import (
    FLAG_VALUES,
    FieldProbabilities,
    FlagScores,
    Labels,
    Reading,
    Tail,
    Thresholds,
)
from tiergraph.tiers import Ladder

MAX_SEQUENCES = 256
"""llama.cpp's limit on sequences in one context."""

LABELS: Mapping[str, tuple[str, ...]] = {
    "tier": ("tier", "T"),
    "difficulty": ("level", "D"),
    "intent": ("topic", "I"),
    "needs_retrieval": ("search", "S"),
    "contains_pii": ("private", "P"),
    "is_legal": ("legal", "L"),
    "reason": ("reason", "R"),
}
"""Field to the word that asks for it: common words, and letters for a vocabulary in which they take more tokens."""

LEVELS: Mapping[str, str] = {"1": "easy", "2": "medium", "3": "hard"}
"""How a difficulty is written: many tokenisers cut a digit off from the space before it, one token more."""

MEANINGS: Mapping[str, str] = {
    "tier": "the cheapest tier that can answer the request",
    "difficulty": "how hard it is",
    "intent": "what it is about",
    "needs_retrieval": "whether documents must be searched to answer it",
    "contains_pii": "whether it holds personal data such as names, addresses, account or health details",
    "is_legal": "whether it is a legal matter",
    "reason": "why that tier",
}

REQUEST_END = "\n"
"""Between a request and the lines; one token, since it is decoded with every request."""

Logs = Sequence[float]


def instructions(spellings: Mapping[str, Spelling], criteria: Mapping[str, str]) -> str:
    """The text before every request. ``criteria``: tier to the sentence that says when it is the right one."""

    def shown(name: str, value: str, form: str) -> str:
        note = criteria.get(value, "") if name == "tier" else ""
        if form != value and name != "difficulty":
            note = f"{value}: {note}" if note else value
        return f"{form} ({note})" if note else form

    lines = [
        f"{spelling.label}: {MEANINGS[name]}: "
        + ", ".join(shown(name, value, form) for value, form in spelling.forms.items())
        for name, spelling in spellings.items()
    ]
    prompt = load_prompt("router", PROMPTS["router"])
    return prompt.render(fields="\n".join(lines)) + "\n"


def spell_fields(
    ladder: Ladder, intents: Sequence[str], reasons: Sequence[str], tokenise: Tokenise
) -> dict[str, Spelling]:
    """How every field is written for the model.

    Raises:
        ConfigError: The model's tokens do not tell two values of a field apart.
    """

    def as_they_are(values: Sequence[str]) -> dict[str, str]:
        return {value: value for value in values}

    forms: dict[str, Mapping[str, str]] = {
        "tier": as_they_are(ladder.names),
        "difficulty": LEVELS,
        "intent": as_they_are(intents),
        "needs_retrieval": as_they_are(FLAG_VALUES),
        "contains_pii": as_they_are(FLAG_VALUES),
        "is_legal": as_they_are(FLAG_VALUES),
        "reason": as_they_are(reasons),
    }
    spellings = {}
    for name, written in forms.items():
        try:
            spellings[name] = spell(LABELS[name], written, tokenise)
        except ValueError as error:
            raise ConfigError(f"Values of {name!r}: {error} for this model.", fix="rename one of them.") from None
    return spellings


@dataclass(frozen=True)
class _Tree:
    """The branch tokens of all fields: each node is the path to it, parents before children."""

    nodes: tuple[Path, ...]
    leaves: tuple[Path, ...]


def _tree(ends: Sequence[Path]) -> _Tree:
    nodes = sorted({path[:depth] for path in ends for depth in range(1, len(path) + 1)}, key=lambda p: (len(p), p))
    parents = {node[:-1] for node in nodes}
    return _Tree(tuple(nodes), tuple(node for node in nodes if node not in parents))


class BranchHead:
    """Reads any causal model by branching."""

    def __init__(
        self,
        spellings: Mapping[str, Spelling],
        *,
        prompt: Sequence[int],
        suffix: Sequence[int],
        window: int,
    ) -> None:
        """``prompt`` and ``suffix``: token ids around a request; ``window``: request tokens at most.

        Raises:
            ConfigError: The values need more sequences than a context holds.
        """
        self.raise_flags = Thresholds(Calibration())
        self.window, self.prompt = window, tuple(prompt)
        self._spellings = dict(spellings)
        ends = {branch.path for spelling in spellings.values() for branch in spelling.trie.branches}
        tree = _tree(sorted(ends))
        if len(tree.leaves) > MAX_SEQUENCES:
            most = max(spellings, key=lambda name: len(spellings[name].trie.branches))
            raise ConfigError(
                f"The fields need {len(tree.leaves)} sequences, most for {most!r}; {MAX_SEQUENCES} is the limit.",
                fix=f"give {most!r} fewer values, or values that begin differently.",
            )
        outputs = (() in ends, *(node in ends for node in tree.nodes))
        places = [place for place, read in zip(((), *tree.nodes), outputs, strict=True) if read]
        rows = {place: row for row, place in enumerate(places)}
        gather: list[tuple[int, int]] = []
        self._rows: dict[str, list[slice]] = {}
        for name, spelling in spellings.items():
            self._rows[name] = []
            for branch in spelling.trie.branches:
                self._rows[name].append(slice(len(gather), len(gather) + len(branch.tokens)))
                gather += [(rows[branch.path], token) for token in branch.tokens]
        self.tail = Tail(
            suffix=tuple(suffix),
            tokens=tuple(node[-1] for node in tree.nodes),
            depths=tuple(len(node) - 1 for node in tree.nodes),
            sequences=tuple(
                tuple(i for i, leaf in enumerate(tree.leaves) if leaf[: len(node)] == node) for node in tree.nodes
            ),
            outputs=outputs,
            gather=tuple(gather),
            n_sequences=max(1, len(tree.leaves)),
        )

    def log_probabilities(self, name: str, logits: Logs) -> list[float]:
        """Of each value of a field, in order. Raises ``ValueError`` where a logit is not finite."""
        return self._spellings[name].trie.log_probabilities([logits[place] for place in self._rows[name]])

    def read(self, logits: Sequence[float]) -> Reading:
        """Each field's values by their tries. Raises ``ValueError`` where a logit is not finite."""
        logs = {name: self.log_probabilities(name, logits) for name in self._spellings}

        def likeliest(name: str) -> str:
            return self._spellings[name].trie.values[logs[name].index(max(logs[name]))]

        def true(name: str) -> float:
            return math.exp(logs[name][FLAG_VALUES.index("true")])

        def compute(name: str) -> dict[str, float]:
            return dict(zip(self._spellings[name].trie.values, map(math.exp, logs[name]), strict=True))

        tier_logs = tuple(logs["tier"])
        return Reading(
            tiers=TierScores(probabilities=tuple(map(math.exp, tier_logs)), logs=tier_logs),
            labels=Labels(
                difficulty=int(likeliest("difficulty")),
                intent=likeliest("intent"),
                needs_retrieval=true("needs_retrieval") >= DEFAULT_THRESHOLD,
                reason=likeliest("reason"),
            ),
            fields=FieldProbabilities(compute),
            flags=FlagScores(true("contains_pii"), true("is_legal")),
        )


def around_request(text: str, template: Callable[[str], str] | None) -> tuple[str, str]:
    """Text before and after a request: in the model's chat template where it has one, else plain.

    ``template`` renders one user message. One that loses or changes the request is not used.
    """
    mark = "\u2402request\u2403"  # no template writes this itself
    if template is not None:
        try:
            before, after = template(text + mark).split(mark)
        except Exception:  # a template is a program out of the model file: whatever it raises, it is not used
            pass
        else:
            return before, after or REQUEST_END
    return text, REQUEST_END
