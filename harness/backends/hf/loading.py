"""A base model in memory with its adapters, which are switched and never merged."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from harness.backends.adapters import AdapterDir, changed_in_base
from harness.backends.effect import PROBES, Effect, LogProbs, judge_effect, unchecked
from harness.backends.hf.backend import QUANTIZATION
from harness.backends.hf.memory import check_room, is_out_of_memory, too_little
from harness.backends.hf.placement import Placement
from harness.backends.models import ModelDir
from harness.common import InputError, MachineryError, Problem, nearest
from harness.prompts import ChatTokenizer


def quantised(arguments: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """Return the arguments for `from_pretrained`, with ours spelled out.

    NF4 with double quantisation is what QLoRA adapters are trained on (Dettmers et al. 2023).
    """
    given = {name: value for name, value in arguments.items() if name != QUANTIZATION}
    kind = arguments.get(QUANTIZATION)
    if kind is None:
        return given
    if placement.device.type != "cuda":
        raise InputError(
            Problem(
                f"hf: {QUANTIZATION!r} needs a CUDA GPU",
                found=f"device {placement.device}",
                hint=f"leave {QUANTIZATION} out, or use a machine with a GPU",
            )
        )
    from transformers import BitsAndBytesConfig

    settings: Any = BitsAndBytesConfig
    if kind == "8bit":
        config = settings(load_in_8bit=True)
    else:
        config = settings(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=placement.dtype,
        )
    return {**given, "quantization_config": config, "device_map": {"": placement.device}}


# Ours, and those of from_pretrained that an evaluation may want.
_ARGUMENTS = (
    "rows",
    "threads",
    "quantization",
    "attn_implementation",
    "device_map",
    "max_memory",
    "offload_folder",
    "revision",
)


class LoadedModel:
    """A base and the adapters that were asked for so far, each loaded once.

    `model` is what computes; which adapter it computes with is set by `activate`. What an adapter
    changes in the base itself (biases, whole weights, PiSSA's remainder) is there while it is
    active, and is put back: the base must answer as it does without it.
    """

    def __init__(
        self,
        directory: ModelDir,
        placement: Placement,
        arguments: Mapping[str, Any],
        *,
        trust_remote_code: bool = False,
    ) -> None:
        self.directory = directory
        self.model = _load(directory, placement, arguments, trust_remote_code)
        self._placement = placement
        self._adapters: dict[str, str] = {}  # directory -> peft's name
        self._peft: PeftModel | None = None
        # By peft's name: a parameter, the base's numbers and the adapter's, on the CPU.
        self._swapped: dict[str, list[tuple[Any, Any, Any]]] = {}
        self._active = ""

    def activate(self, adapter: AdapterDir | None) -> None:
        """Compute with this adapter, or with the plain base."""
        wanted = self._adapters.get(str(adapter.path), "") if adapter else ""
        if self._active and wanted != self._active:
            for parameter, theirs, _ in self._swapped.get(self._active, ()):
                parameter.data.copy_(theirs)
            self._active = ""
        if adapter is None:
            if self._peft is not None:
                self._lora.disable_adapter_layers()
            return
        name = wanted or self._add(adapter)
        if name != self._active:
            for parameter, _, own in self._swapped.get(name, ()):
                parameter.data.copy_(own)
            self._active = name
        if self._peft is not None:
            self._lora.enable_adapter_layers()
            self._peft.set_adapter(name, inference_mode=True)

    @property
    def _lora(self) -> Any:
        """Return the part of peft that switches LoRA layers; peft leaves it untyped."""
        return self._peft.base_model if self._peft is not None else None

    def close(self) -> None:
        """Give the memory back."""
        self._peft = None
        self.model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _add(self, adapter: AdapterDir) -> str:
        name = f"variant{len(self._adapters)}"  # peft allows no dots, which our names may have
        parameters = {
            n.replace(".base_layer.", "."): parameter
            for n, parameter in self.model.named_parameters()
        }
        before = [
            (parameters[n], parameters[n].data.to("cpu", copy=True))
            for n in sorted(changed_in_base(adapter, parameters))
        ]
        try:
            missed = []
            with safe_open(adapter.weights, "pt") as file:
                for tensor in self._attach(adapter, name):
                    plain = tensor.removeprefix("base_model.model.").replace(".base_layer.", ".")
                    # Another adapter wraps the module, so that its bias has another name here.
                    if plain in parameters:
                        parameters[plain].data.copy_(file.get_tensor(tensor))
                    else:
                        missed.append(tensor)
        except TypeError as error:  # peft wraps a module in one way or in the other
            raise InputError(
                Problem(
                    "the adapter cannot be loaded beside the others of this run",
                    str(adapter.path),
                    found=str(error),
                    hint="one adapts what another saves as a whole: give each a run of its own",
                )
            ) from error
        except (RuntimeError, ValueError, OSError) as error:
            raise MachineryError(
                Problem(f"the adapter cannot be loaded: {error}", str(adapter.path))
            ) from error
        if missed:
            raise InputError(
                Problem(
                    f"{len(missed)} of its tensors match no module of the loaded model",
                    str(adapter.path),
                    found=missed[0],
                    hint="check target_modules in its adapter_config.json",
                )
            )
        self._adapters[str(adapter.path)] = name
        self._swapped[name] = []
        for parameter, theirs in before:
            own = parameter.data.to("cpu", copy=True)
            if not torch.equal(own, theirs):
                self._swapped[name].append((parameter, theirs, own))
        self._active = name
        return name

    def _attach(self, adapter: AdapterDir, name: str) -> list[str]:
        """Load an adapter in the base's own format; return names of tensors without a place."""
        path = str(adapter.path)
        with warnings.catch_warnings():
            # Tensors without a place are an error here, so the warning says nothing new.
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            # About merging an adapter that holds a tied head; here none is merged.
            warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
            config = LoraConfig.from_pretrained(path)
            config.inference_mode = True
            config.bias = "none"  # peft takes one adapter with biases; ours are swapped in and out
            if self._peft is None:
                self._peft = PeftModel(self.model, config, name, autocast_adapter_dtype=False)
            else:
                self._peft.add_adapter(name, config, autocast_adapter_dtype=False)
            result = self._peft.load_adapter(
                path,
                name,
                is_trainable=False,
                autocast_adapter_dtype=False,
                torch_device=str(self._placement.device),
            )
        self.model.eval()
        return sorted(result.unexpected_keys)


def _load(
    directory: ModelDir, placement: Placement, arguments: Mapping[str, Any], trust: bool
) -> Any:
    """Load the weights; raise `InputError` for what is the user's to change."""
    path = str(directory.path)
    given = quantised(arguments, placement)
    if "device_map" not in given:  # which may spread it over several devices
        check_room(directory, placement)
    try:
        with without_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(
                path,
                dtype=placement.dtype,
                local_files_only=True,
                trust_remote_code=trust,
                use_safetensors=True,
                **given,
            )
        moved = model if "device_map" in given else model.to(placement.device)
    except TypeError as error:
        # An argument that transformers does not know goes on to the model's class, which says so.
        told = next((name for name in arguments if f"'{name}'" in str(error)), None)
        if told is None:
            problem = Problem(f"the model cannot be loaded: {error}", path)
            raise MachineryError(problem) from error
        raise InputError(
            Problem(
                f"hf: engine argument {told!r} is not known",
                found=str(error),
                expected="threads, rows, quantization, or an argument of transformers' "
                "from_pretrained",
                did_you_mean=nearest(told, _ARGUMENTS),
                hint="correct it, or leave it out",
            )
        ) from error
    except (RuntimeError, ValueError, OSError, ImportError, MemoryError) as error:
        if is_out_of_memory(error):
            raise too_little(directory, placement) from error
        if not directory.quantisation:
            problem = Problem(f"the model cannot be loaded: {error}", path)
            raise MachineryError(problem) from error
        # A format that needs packages or a GPU that are not there.
        raise InputError(
            Problem(
                f"transformers cannot load its weights here: they are quantised "
                f"({directory.quantisation})",
                path,
                found=" ".join(str(error).split()),
                hint="add --backend vllm, which reads gptq, awq and others by itself, or give "
                "transformers what it asks for",
            )
        ) from error
    return moved.eval()


@contextmanager
def without_bars() -> Iterator[None]:
    """Hide transformers' own progress bars: a run has one of its own."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # as transformers has it
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # as above


Probe = tuple[int, ...]  # token ids


class EffectProbe:
    """Measures adapters on one model in memory; the base is measured once, and once more."""

    def __init__(self, loaded: LoadedModel, tokenizer: ChatTokenizer) -> None:
        self._loaded = loaded
        self._base: tuple[LogProbs, LogProbs] | None = None
        self._probes: list[Probe] = []
        context = loaded.directory.context_length
        for messages in PROBES:  # but for those that template or context have no room for
            try:
                ids = tokenizer.token_ids(messages)
            except InputError:
                continue
            if 1 < len(ids) <= (context or len(ids)):
                self._probes.append(ids)

    def measure(self, variant: str, adapter: AdapterDir) -> Effect:
        """Say what the adapter does; what cannot be measured is said to be unchecked."""
        if not self._probes:
            return unchecked(variant, "the chat template refuses the prompts that it needs")
        try:
            if self._base is None:
                # Prompts alone and in pairs: the same numbers but for rounding, which so shows.
                self._loaded.activate(None)
                alone, paired = (log_probs(self._loaded.model, self._probes, n) for n in (1, 2))
                self._base = alone, paired
            self._loaded.activate(adapter)
            base, again = self._base
            adapted = log_probs(self._loaded.model, self._probes, 1)
            return judge_effect(variant, base, again, adapted)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return unchecked(variant, "out of memory")


@torch.inference_mode()
def log_probs(model: Any, probes: Sequence[Probe], rows: int) -> LogProbs:
    """Score each token of each probe but the first, `rows` probes at a time.

    `model` is a causal model of transformers.
    """
    found: dict[tuple[int, int | str], float] = {}
    for first in range(0, len(probes), rows):
        group = probes[first : first + rows]
        width = max(map(len, group))
        ids = torch.zeros(len(group), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, probe in enumerate(group):
            ids[row, : len(probe)] = torch.tensor(probe)
            mask[row, : len(probe)] = 1
        ids, mask = ids.to(model.device), mask.to(model.device)
        output = model(input_ids=ids, attention_mask=mask, use_cache=False)
        scores = output.logits[:, :-1].float()
        chosen = scores.gather(-1, ids[:, 1:, None])[..., 0] - scores.logsumexp(-1)
        for row, probe in enumerate(group):
            for place, value in enumerate(chosen[row, : len(probe) - 1].tolist(), start=1):
                found[first + row, place] = value
    return found
