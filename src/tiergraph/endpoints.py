"""How ``router.yaml`` names a model in any slot but a tier: its reference, its place, and how it is asked."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tiergraph.tiers import Location

Mode = Literal["auto", "json_schema", "json_object", "tools", "text"]
"""How a server is made to keep to a schema.

``json_schema``: ``response_format`` of OpenAI, ``format`` of Ollama. ``json_object``: ``response_format`` with the
schema beside the type, as llama.cpp's servers read it. ``tools``: one forced function call. ``text``: nothing but the
prompt asks for JSON. ``auto``: the first of the first three that a probe at start-up proves.
"""

HOSTED = ("openai", "ollama")
"""Schemes of models behind HTTP."""

SCHEMES = (*HOSTED, "embedding", "classifier", "python")
"""Schemes of router models; anything else is ``embedded`` or the path of a GGUF."""

_PYTHON = re.compile(r"python:[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Model(BaseModel):
    """Base of every part of ``router.yaml``: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def scheme_of(model: str) -> str:
    """``openai``, ``ollama``, ``embedding``, ``classifier`` or ``python``; "" for a GGUF inside this process."""
    scheme, colon, _ = model.partition(":")
    return scheme if colon and scheme in SCHEMES else ""


class Endpoint(Model):
    """A hosted model and how it is asked.

    Attributes:
        model: ``openai:NAME`` (any OpenAI-compatible server) or ``ollama:NAME``.
        location: Whether what is sent to it stays with you (``on_prem``) or leaves (``external``). A hosted model has
            to state it.
        base_url: Of the server, for ``openai:`` with its ``/v1``, for ``ollama:`` without. ``${NAME}`` expands when
            used.
        api_key: For ``openai:``. Write ``${NAME}``, never the key itself.
        timeout_s: Seconds that one call may take, > 0; the deadline of the decision or verdict bounds all of them.
        mode: How the server is made to keep to a schema.
        reasks: Further calls after an answer off the schema, each with the validation error, 0 to 5.
        params: Further keys of the request's body, such as ``temperature``.
    """

    model: str = Field(min_length=1)
    location: Location | None = None
    base_url: str | None = None
    api_key: str | None = None
    timeout_s: float = Field(default=10.0, gt=0)
    mode: Mode = "auto"
    reasks: int = Field(default=1, ge=0, le=5)
    params: dict[str, Any] = Field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """As `scheme_of`."""
        return scheme_of(self.model)

    @property
    def name(self) -> str:
        """The reference without its scheme."""
        return self.model.partition(":")[2] if self.scheme else self.model


class JudgeConfig(Endpoint):
    """A hosted judge.

    Attributes:
        model: ``openai:NAME``, ``ollama:NAME``, or ``python:module:attribute`` for a `Judge` or what makes one.
        threshold: Faithfulness and helpfulness, 1 to 5, that a draft has to reach, both of them.
        isolate: Whether a sentence that the documents' words do not carry has to pass by itself as well, so that
            nothing beside it can speak for it. One further call for each, six at most.
    """

    timeout_s: float = Field(default=30.0, gt=0)
    threshold: float = Field(default=3.5, ge=1, le=5)
    isolate: bool = True

    @field_validator("model")
    @classmethod
    def _known_form(cls, model: str) -> str:
        if _PYTHON.fullmatch(model) or (scheme_of(model) in HOSTED and model.partition(":")[2]):
            return model
        raise ValueError(f"unknown judge {model!r}; use openai:NAME, ollama:NAME or python:module:attribute")

    @model_validator(mode="after")
    def _placed(self) -> JudgeConfig:
        _check_place(self)
        return self


class ProposerConfig(Endpoint):
    """One router model.

    Attributes:
        model: ``embedded``, the path of a GGUF, ``openai:NAME``, ``ollama:NAME``, ``embedding:FILE`` (a YAML of example
            utterances), ``classifier:FOLDER`` (of `tiergraph train --kind classifier`) or ``python:module:attribute``
            (a LangChain decision model, a `Proposer`, or what makes one).
        location: As for every endpoint. A model inside this process is ``on_prem``; of an embedding router the file
            says it.
        boundary: In [0, .5]. In a chain the next model is asked where the probability that a tier suffices is so near
            to ``profile`` that another tier could as well be right.
        adapter: Path of a LoRA adapter for a GGUF.
        adapter_scale: Its weight, 1 as trained.
        gpu_layers: Layers of a GGUF on the GPU, where llama.cpp was built with one; -1 is all.
        calibration: Path of the JSON that `tiergraph check --calibrate` writes: what the model's stated confidence or
            its token probabilities are worth. Without it a stated confidence counts as one half.
        heads: Paths of the heads that `tiergraph tune` fitted on this very model, relative to the file that names them:
            at most one for the ladder, whose scores replace the model's own, and one for each field.
        logprobs: Whether to ask a server for the probabilities of its tokens; ``None`` asks and does without.
    """

    model: str = Field(default="embedded", min_length=1)
    boundary: float = Field(default=0.1, ge=0, le=0.5)
    adapter: str | None = None
    adapter_scale: float = 1.0
    gpu_layers: int = Field(default=0, ge=-1)
    calibration: str | None = None
    heads: tuple[str, ...] = ()
    logprobs: bool | None = None

    @field_validator("model")
    @classmethod
    def _known_form(cls, model: str) -> str:
        if model.startswith("python:") and not _PYTHON.fullmatch(model):
            raise ValueError(f"{model!r} names no object; use python:module:attribute")
        scheme, colon, _ = model.partition(":")
        if colon and len(scheme) > 1 and scheme.isalnum() and scheme not in SCHEMES:  # one letter is a drive
            raise ValueError(f"unknown scheme in {model!r}; use {', '.join(f'{name}:' for name in SCHEMES)} or a path")
        if scheme_of(model) and not model.partition(":")[2]:
            raise ValueError(f"{model!r} names no model after its colon")
        return model

    @model_validator(mode="after")
    def _fits(self) -> ProposerConfig:
        if self.scheme in ("", "classifier") and self.location == "external":
            raise ValueError(f"{self.model!r} runs inside this process: leave location out, or write on_prem")
        if self.scheme and (self.adapter is not None or self.gpu_layers):
            raise ValueError(f"adapter and gpu_layers are for a GGUF, not for {self.model!r}")
        if self.scheme and self.heads:
            raise ValueError(f"heads are for embedded or a GGUF of `tiergraph train`, not for {self.model!r}")
        if self.scheme not in HOSTED and (self.base_url or self.api_key):
            raise ValueError(f"base_url and api_key are for openai: and ollama:, not for {self.model!r}")
        if self.scheme not in ("embedding", "classifier"):
            _check_place(self)
        return self


def _check_place(endpoint: Endpoint) -> None:
    if endpoint.scheme and endpoint.location is None:
        raise ValueError(
            f"{endpoint.model!r} needs a location: on_prem where what it is sent stays with you, else external"
        )
