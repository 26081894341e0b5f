"""A base model in memory with its adapters, which are switched and never merged."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from harness.backends.adapters import AdapterDir
from harness.backends.hf.memory import check_room, is_out_of_memory, too_little
from harness.backends.hf.placement import Placement
from harness.backends.models import ModelDir
from harness.common import HarnessError, InputError, MachineryError, Problem, nearest

if TYPE_CHECKING:
    from harness.backends.hf.placement import Placement

ARGUMENT = "quantization"  # as vLLM calls its own
KINDS = ("4bit", "8bit")
_PACKAGES = ("bitsandbytes", "accelerate")


def quantising_problems(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the argument: its value, or packages that are missing."""
    kind = arguments.get(ARGUMENT)
    if kind is None:
        return
    if kind not in KINDS:
        yield Problem(
            f"hf: {ARGUMENT!r} is wrong",
            found=repr(kind),
            expected=" or ".join(KINDS),
            did_you_mean="4bit" if kind == "bitsandbytes" else "",  # as vLLM calls it
        )
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        yield Problem(
            f"hf: {ARGUMENT!r} needs {', '.join(missing)}",
            hint="pip install 'adapter-gate-harness[bitsandbytes]'",
        )


def quantisation(arguments: Mapping[str, Any]) -> str:
    """For the environment: "bitsandbytes-nf4", "bitsandbytes-int8", or nothing."""
    names = {"4bit": "bitsandbytes-nf4", "8bit": "bitsandbytes-int8"}
    return names.get(str(arguments.get(ARGUMENT)), "")


def quantised(arguments: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """The arguments for `from_pretrained`, with ours spelled out.

    NF4 with double quantisation is what QLoRA adapters are trained on (Dettmers et al. 2023).
    """
    given = {name: value for name, value in arguments.items() if name != ARGUMENT}
    kind = arguments.get(ARGUMENT)
    if kind is None:
        return given
    if placement.device.type != "cuda":
        raise InputError(
            Problem(
                f"hf: {ARGUMENT!r} needs a CUDA GPU",
                found=f"device {placement.device}",
                hint=f"leave {ARGUMENT} out, or use a machine with a GPU",
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

    `model` is what computes; which adapter it computes with is set by `activate`.
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

    def activate(self, adapter: AdapterDir | None) -> None:
        """Compute with this adapter, or with the plain base."""
        if adapter is None:
            if self._peft is not None:
                self._lora.disable_adapter_layers()
            return
        name = self._adapters.get(str(adapter.path)) or self._add(adapter)
        if self._peft is not None:
            self._lora.enable_adapter_layers()
            self._peft.set_adapter(name, inference_mode=True)

    @property
    def _lora(self) -> Any:
        """The part of peft that switches LoRA layers; peft leaves it untyped."""
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
        try:
            missed = self._attach(adapter, name)
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
        return name

    def _attach(self, adapter: AdapterDir, name: str) -> list[str]:
        """Load an adapter in the base's own format; returns names of tensors without a place."""
        path = str(adapter.path)
        with warnings.catch_warnings():
            # Tensors without a place are an error here, so the warning says nothing new.
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            # About merging an adapter that holds a tied head; here none is merged.
            warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
            if self._peft is None:
                config = LoraConfig.from_pretrained(path)
                config.inference_mode = True
                self._peft = PeftModel(self.model, config, name, autocast_adapter_dtype=False)
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
    given = quantised(arguments, placement)
    if "device_map" not in given:  # which may spread it over several devices
        check_room(directory, placement)
    try:
        with without_bars():
            model: Any = AutoModelForCausalLM.from_pretrained(
                str(directory.path),
                dtype=placement.dtype,
                local_files_only=True,
                trust_remote_code=trust,
                use_safetensors=True,
                **given,
            )
        moved = model if "device_map" in given else model.to(placement.device)
    except TypeError as error:
        raise _refused(directory, arguments, error) from error
    except (RuntimeError, ValueError, OSError, ImportError, MemoryError) as error:
        if is_out_of_memory(error):
            raise too_little(directory, placement) from error
        raise _unloadable(directory, error) from error
    return moved.eval()


def _unloadable(directory: ModelDir, error: Exception) -> HarnessError:
    """A format that needs packages or a GPU that are not there is the user's to mend."""
    path = str(directory.path)
    if not directory.quantisation:
        return MachineryError(Problem(f"the model cannot be loaded: {error}", path))
    return InputError(
        Problem(
            f"transformers cannot load its weights here: they are quantised "
            f"({directory.quantisation})",
            path,
            found=" ".join(str(error).split()),
            hint="add --backend vllm, which reads gptq, awq and others by itself, or give "
            "transformers what it asks for",
        )
    )


def _refused(directory: ModelDir, arguments: Mapping[str, Any], error: TypeError) -> HarnessError:
    """An argument that transformers does not know goes on to the model's class, which says so."""
    told = next((name for name in arguments if f"'{name}'" in str(error)), None)
    if told is None:
        return MachineryError(Problem(f"the model cannot be loaded: {error}", str(directory.path)))
    return InputError(
        Problem(
            f"hf: engine argument {told!r} is not known",
            found=str(error),
            expected="threads, rows, quantization, or an argument of transformers' from_pretrained",
            did_you_mean=nearest(told, _ARGUMENTS),
            hint="correct it, or leave it out",
        )
    )


@contextmanager
def without_bars() -> Iterator[None]:
    """Without transformers' own progress bars: a run has one of its own."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # as transformers has it
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # as above
