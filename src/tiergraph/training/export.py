"""Write a trained network as a GGUF that llama.cpp loads as an ordinary ``llama`` model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tiergraph.training.extras import require
from tiergraph.training.fields import PROBES
from tiergraph.training.network import NORM_EPS, ROPE_BASE, Shape
from tiergraph.training.vocabulary import PRE_TOKENISER, Vocabulary

CONTRACT_KEY = "tiergraph.contract"
"""Metadata key of the JSON that names the token ids."""

QUANTISATIONS = ("Q8_0", "Q8_0, token embeddings F16", "F16")
"""How the matrices may be stored, the smallest first; norms are 32-bit floats.

Everything is built on the embeddings and the fields are read through them (llama.cpp takes them for the output matrix
where a file has none): their rounding to 8 bits moves probabilities most.
"""

_EMBEDDINGS = "token_embd.weight"
_NORMAL, _CONTROL = 1, 3  # llama.cpp's token types


def write_gguf(path: Path, network: Any, vocabulary: Vocabulary, *, name: str, quantisation: str) -> str:
    """Write ``network`` and ``vocabulary`` to ``path``, stored as one of ``QUANTISATIONS``.

    Returns the file's sha256 in hex.
    """
    if quantisation not in QUANTISATIONS:
        raise ValueError(f"Unknown quantisation {quantisation!r}. Allowed: {list(QUANTISATIONS)}")
    gguf = require("gguf")
    shape: Shape = network.shape
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    whole = quantisation == "F16"
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if whole else gguf.LlamaFileType.MOSTLY_Q8_0)
    _add_vocabulary(writer, vocabulary)
    writer.add_string(CONTRACT_KEY, json.dumps(vocabulary.contract, separators=(",", ":")))
    kinds = gguf.GGMLQuantizationType
    for tensor_name, array in tensors(network).items():
        if array.ndim == 1:
            writer.add_tensor(tensor_name, array)
        elif whole or (tensor_name == _EMBEDDINGS and quantisation.endswith("F16")):
            writer.add_tensor(tensor_name, array.astype("float16"))
        else:
            writer.add_tensor(tensor_name, gguf.quantize(array, kinds.Q8_0), raw_dtype=kinds.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sha256(path)


def tensors(network: Any) -> dict[str, Any]:
    """The network's weights under llama.cpp's names, as float32 numpy arrays."""
    numpy = require("numpy")
    shape: Shape = network.shape
    state = {key: value.detach().cpu().float().numpy() for key, value in network.state_dict().items()}
    named = {
        "token_embd.weight": state["token_embd.weight"],
        "output_norm.weight": state["output_norm.weight"],
    }
    for layer in range(shape.layers):
        source, target = f"blocks.{layer}.", f"blk.{layer}."
        for part in ("attn_norm", "ffn_norm", "attn_output", "ffn_down"):
            named[f"{target}{part}.weight"] = state[f"{source}{part}.weight"]
        for part, rows in zip("qkv", numpy.split(state[f"{source}attn_qkv.weight"], 3), strict=True):
            named[f"{target}attn_{part}.weight"] = rows
        for part, rows in zip(("gate", "up"), numpy.split(state[f"{source}ffn_gate_up.weight"], 2), strict=True):
            named[f"{target}ffn_{part}.weight"] = rows
    return {key: numpy.ascontiguousarray(value) for key, value in named.items()}


def standardise_probes(network: Any, vocabulary: Vocabulary, hidden: Any) -> None:
    """Scale the probe rows so that each probe has unit variance over ``hidden`` (rows, width), in place."""
    torch = require("torch")
    first = vocabulary.contract["probes"][0]
    with torch.no_grad():
        rows = network.output.weight[first : first + PROBES]
        rows /= (hidden.float() @ rows.T).std(dim=0, keepdim=True).T.clamp_min(1e-6)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    tokens = vocabulary.tokens()
    ordinary = vocabulary.first_control
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENISER)
    writer.add_token_list(tokens)
    writer.add_token_types([_NORMAL if i < ordinary else _CONTROL for i in range(len(tokens))])
    writer.add_token_merges(vocabulary.merges())
    writer.add_bos_token_id(vocabulary.contract["bos"])
    writer.add_eos_token_id(vocabulary.eos)
    writer.add_pad_token_id(vocabulary.pad)
    # The engine writes <bos> itself, so that the prompt is the same however the GGUF is loaded.
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
