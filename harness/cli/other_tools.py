"""Options that vLLM's and evaluation tools' command lines have, and where the same is said here."""

from __future__ import annotations

from collections.abc import Container

_SUITE = "say it in the suite, under defaults; by variant under [variants.NAME] in harness.toml"
_ADAPTER = "name each adapter: --adapter NAME=DIR"
# What is not listed is looked for among the command's own options, by its spelling.
_SAID_HERE = {
    "--system": _SUITE,
    "--system-prompt": _SUITE,
    "--temperature": _SUITE,
    "--top-p": _SUITE,
    "--top-k": _SUITE,
    "--seed": _SUITE,
    "--max-tokens": _SUITE,
    "--max-new-tokens": _SUITE,
    "--lora": _ADAPTER,
    "--lora-modules": _ADAPTER,
    "--enable-lora": _ADAPTER,
    "--peft": _ADAPTER,
    "--batch-size": "--batch-tokens N, or --engine-arg rows=N for --backend hf",
    "--api-key": "put it into the environment variable OPENAI_API_KEY",
}
_OF_ENGINES = (
    "--attn-implementation",
    "--enforce-eager",
    "--gpu-memory-utilization",
    "--kv-cache-dtype",
    "--max-lora-rank",
    "--max-loras",
    "--max-model-len",
    "--max-num-seqs",
    "--pipeline-parallel-size",
    "--quantization",
    "--tensor-parallel-size",
)


def said_here(option: str, known: Container[str]) -> str:
    """Where this command has what another tool's option says; empty where nothing is known of it.

    `known` are the command's own options: one that runs no engine is told nothing.
    """
    name = option.replace("_", "-")
    if "--engine-arg" not in known:
        return ""
    if name in _OF_ENGINES:
        return f"--engine-arg {name.removeprefix('--').replace('-', '_')}=VALUE"
    return _SAID_HERE.get(name, "")
