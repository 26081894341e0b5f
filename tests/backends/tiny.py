"""A Qwen2 of a few thousand random parameters with its tokenizer, and random LoRA adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "What is the capital of France? Paris, of course, and it lies on the Seine.",
    "Extract the invoice as JSON with the keys number and total.",
    "Wer hat den grünen Apfel gegessen? Niemand weiß es.",
    "1 2 3 4 5 6 7 8 9 10 and so on, until the numbers end.",
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
DEFAULT_SYSTEM = "You are Tiny, made for tests."
TEMPLATE = (
    "{%- if messages[0].role != 'system' %}"
    "{{- '<|im_start|>system\\n" + DEFAULT_SYSTEM + "<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def save_tokenizer(directory: Path, template: str | None = TEMPLATE, bos: bool = False) -> None:
    """Train a byte-level BPE tokenizer on a few sentences and save it with its template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast  # transformers leaves its constructor untyped

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(SENTENCES, trainer)
    if bos:
        raw.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
        )
    tokenizer = fast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|endoftext|>" if bos else None,
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(directory)


def save_model(directory: Path, seed: int = 0, **changes: Any) -> Path:
    """Save a random model with its tokenizer; `changes` go into its configuration."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 400,
        "max_position_embeddings": 512,
        "initializer_range": 0.5,  # so that answers differ, and end now and then
        "eos_token_id": 2,
        "bos_token_id": None,
        "tie_word_embeddings": True,
    }
    build: Any = Qwen2ForCausalLM
    model = build(Qwen2Config(**{**settings, **changes}))
    model.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


def save_adapter(directory: Path, model: Path, seed: int, **changes: Any) -> Path:
    """Save a LoRA adapter of random numbers for a model; `changes` go into its configuration."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "r": 4,
        "target_modules": ["q_proj", "v_proj", "gate_proj", "down_proj"],
        "init_lora_weights": False,
        "task_type": "CAUSAL_LM",
    }
    base = AutoModelForCausalLM.from_pretrained(model)
    tuned = get_peft_model(base, LoraConfig(**{**settings, **changes}), adapter_name="default")
    tuned.save_pretrained(str(directory))
    return directory


def generate(model: Any, token_ids: tuple[int, ...], new: int) -> list[int]:
    """What transformers' own greedy `generate` adds to one prompt."""
    import torch
    from transformers import GenerationConfig

    ids = torch.tensor([token_ids])
    config: Any = GenerationConfig
    greedy = config(do_sample=False, max_new_tokens=new, eos_token_id=2, pad_token_id=0)
    whole = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
    added: list[int] = whole[0, len(token_ids) :].tolist()
    return added
