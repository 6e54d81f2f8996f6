"""From a GGUF file to the way it is asked: its contract and manifest, or a prompt and branches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tiergraph.config import RouterModelConfig
from tiergraph.errors import ModelError
from tiergraph.proposers import branches, contract
from tiergraph.proposers.calibration import Calibration
from tiergraph.proposers.fitted import Fitted
from tiergraph.proposers.native import NativeModel, Progress, Slot, Watch, silent
from tiergraph.proposers.reading import Head
from tiergraph.tiers import Ladder

MAX_CONTEXT = 2048
"""Tokens of a context for models without the contract: prompt, request and branches together."""

MIN_WINDOW = 64
"""Request tokens that must fit beside the prompt."""

SYSTEM = "You are a router."
"""Said only to a chat template that renders no user message without a system message."""


def sha256(file: Path) -> str:
    """Hex digest of a file of any size."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(model: NativeModel, digest: str, heads: Sequence[str] = ()) -> str:
    """sha256 of all that decides: the model's own ``digest``, over it the adapter's with its scale, and the heads'."""
    if model.adapter is None and not heads:
        return digest
    lines = [digest, *heads]
    if model.adapter is not None:
        lines += [sha256(model.adapter.path), repr(float(model.adapter.scale))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def make_slots(
    model: NativeModel, head: Head, config: RouterModelConfig, watch: Watch, progress: Progress = silent
) -> list[Slot]:
    """``config.contexts`` contexts, each with the head's prompt decoded.

    Raises:
        ModelError: llama.cpp cannot make one; those made before are freed.
    """
    threads = config.threads or model.threads(config.contexts)
    slots: list[Slot] = []
    try:
        for number in range(1, config.contexts + 1):
            progress(f"context {number} of {config.contexts}")
            slots.append(
                Slot(
                    model,
                    head.prompt,
                    head.tail,
                    window=head.window,
                    threads=threads,
                    watch=watch,
                    progress=progress,
                )
            )
    except BaseException:
        for slot in slots:
            slot.free()
        raise
    return slots


def make_head(
    model: NativeModel,
    file: Path,
    digest: str,
    ladder: Ladder,
    config: RouterModelConfig,
    *,
    embedded: bool,
    fitted: Fitted | None = None,
) -> Head:
    """How ``model`` is asked: at its decision token where its metadata hold the contract, else by branching.

    ``digest``: sha256 of ``file``, compared with the manifest beside it. ``fitted``: heads that are applied to what the
    model says at its decision token.

    Raises:
        ModelError: A contract or manifest that cannot be used, or a prompt that leaves no room for a request.
        ConfigError: Intents or reasons that the model was not trained for, or values it cannot tell apart.
    """
    text = model.metadata(contract.KEY)
    if text is not None:
        agreed = contract.Contract.parse(text, vocabulary=model.vocabulary, file=file.name)
        loose = next((what for what, token in agreed.named_tokens() if not model.is_control(token)), None)
        if loose is not None:
            raise ModelError(
                f"{file.name}: a text can spell the token of {loose}, because it is no control token. "
                "Fix: export the model again with `tiergraph train`."
            )
        return contract.ContractHead(
            agreed,
            _calibration(file, digest, required=embedded),
            tiers=len(ladder),
            intents=None if fitted and "intent" in fitted.fields else config.intents,
            reasons=None if fitted and "reason" in fitted.fields else config.reasons,
            file=file.name,
            features=fitted is not None,
        )
    if embedded:
        raise ModelError(f"{file.name}: it lacks {contract.KEY!r}. Fix: install tiergraph again.")
    return _branch_head(model, ladder, config)


def _calibration(file: Path, digest: str, *, required: bool) -> Calibration:
    """From the manifest beside the model; none is an uncalibrated model, and a stale one is an error."""
    manifest = file.with_suffix(".json")
    try:
        text = manifest.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise ModelError(f"{manifest.name}: this installation lacks it. Fix: install tiergraph again.") from None
        return Calibration()
    expected, calibration = contract.parse_manifest(text, file=manifest.name)
    if expected != digest:
        raise ModelError(
            f"{file.name}: its sha256 begins {digest[:12]}, its manifest says {expected[:12]}. "
            f"Fix: {'install tiergraph again' if required else f'restore the file, or remove {manifest.name}'}."
        )
    return calibration


def _branch_head(model: NativeModel, ladder: Ladder, config: RouterModelConfig) -> branches.BranchHead:
    spellings = branches.spell_fields(
        ladder, config.intents, config.reasons, lambda text: model.tokenise(text).tolist()
    )
    text = branches.instructions(spellings, {tier.name: tier.criteria for tier in ladder})
    before, after = branches.around_request(text, _chat_template(model))
    prompt = model.tokenise(before, special=True).tolist()
    if model.bos is not None and prompt[:1] != [model.bos]:
        prompt.insert(0, model.bos)
    suffix = model.tokenise(after, special=True).tolist()
    limit = min(MAX_CONTEXT, model.trained_context)
    deepest = max(len(branch.path) for spelling in spellings.values() for branch in spelling.trie.branches)
    window = limit - len(prompt) - len(suffix) - deepest
    if window < MIN_WINDOW:
        raise ModelError(
            f"{model.file}: the prompt takes {len(prompt)} of {limit} tokens, {max(0, window)} remain for a request. "
            "Fix: shorten the tiers' criteria, or use a model with a longer context."
        )
    return branches.BranchHead(spellings, prompt=prompt, suffix=suffix, window=window)


def _chat_template(model: NativeModel) -> Callable[[str], str] | None:
    template = model.metadata("tokenizer.chat_template")
    if not template:
        return None
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    def piece(token: int | None) -> str:
        return model.piece(token) if token is not None else ""

    formatter: Any = None

    def render(text: str) -> str:
        nonlocal formatter
        formatter = formatter or Jinja2ChatFormatter(template, eos_token=piece(model.eos), bos_token=piece(model.bos))
        asked = {"role": "user", "content": text}
        try:
            return str(formatter(messages=[asked]).prompt)
        except Exception:  # some templates insist on a system message first
            return str(formatter(messages=[{"role": "system", "content": SYSTEM}, asked]).prompt)

    return render
