"""vLLM itself: started, given requests one by one, and asked for what is finished.

The only module that imports vLLM. It sets the process's environment, so it belongs into a process
of its own; `python -m harness.backends.worker` is one.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.backends.effect import LogProbs
from harness.backends.vllm.failures import explain
from harness.backends.vllm.planning import EngineStart

# Set where the user's environment does not say otherwise. Usage statistics and model hubs are
# network that nobody asked for; the log is a file.
_QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "NO_COLOR": "1",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}
# With the engine's core in this process a CPU starts in 11 s instead of 28 s and answers 1.5 times
# as fast (the embedded model, two cores, vLLM 0.32); on a GPU the core works beside this process.
_CPU = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}


@dataclass(frozen=True, slots=True)
class EngineAdapter:
    """A LoRA as the engine knows it: by a name that says its content, and a number from 1."""

    name: str
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One prompt on its way. `limit` is in seconds, from its start."""

    id: str
    token_ids: Sequence[int]
    sampling: Mapping[str, Any] = field(default_factory=dict)
    adapter: EngineAdapter | None = None
    schema: Mapping[str, Any] | bool | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """What became of a request; `text` is None where the caller decodes the tokens.

    `seconds` go from when the engine began with it to its last token, and `first_token` to its
    first, without the time that it waited in the queue. Where the engine does not say (`timed` is
    false), `seconds` has the wait in it.
    """

    id: str
    token_ids: Sequence[int] = ()
    text: str | None = None
    finish_reason: str = "error"
    seconds: float = 0.0
    error: str = ""
    first_token: float | None = None
    timed: bool = False


class Engine:
    """A started vLLM with one base model; adapters are loaded when a request first names them.

    `reasoning`: the marks around it, where requests limit it (`thinking_token_budget`).
    Raises `InputError` or `MachineryError` with vLLM's own last words where it cannot start.
    """

    def __init__(
        self,
        model: str,
        start: EngineStart,
        *,
        is_cpu: bool,
        fixed: Mapping[str, Any],
        reasoning: tuple[str, str] | None = None,
    ) -> None:
        for name, value in {**_QUIET, **(_CPU if is_cpu else {}), **start.environment}.items():
            os.environ.setdefault(name, value)
        self._engine: Any = None
        self._began: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        begun = time.perf_counter()
        try:
            from vllm import LLM
            from vllm.config.reasoning import ReasoningConfig

            own = "reasoning_config" in start.arguments or "reasoning_parser" in start.arguments
            limits: dict[str, Any] = {}
            if reasoning and not own:
                first, last = reasoning
                config = ReasoningConfig(reasoning_start_str=first, reasoning_end_str=last)
                limits["reasoning_config"] = config
            self.reasoning = bool(limits) or own
            self.llm: Any = LLM(model=model, **fixed, **limits, **start.arguments)
        except Exception as error:
            raise explain(error, "vLLM could not start") from error
        self._engine = self.llm.llm_engine
        # Times of answers are wanted, and with them come meters that nobody reads here.
        self._engine.logger_manager = None
        self.seconds_to_start = time.perf_counter() - begun

    @property
    def max_model_len(self) -> int:
        """Return the most tokens of prompt and answer together."""
        return int(self.llm.llm_engine.model_config.max_model_len)

    def facts(self) -> dict[str, str]:
        """Say how it runs, for the record."""
        import torch

        config = self._engine.vllm_config
        cache = config.cache_config
        facts = {
            "torch": torch.__version__,
            "max_model_len": str(self.max_model_len),
            "max_num_seqs": str(config.scheduler_config.max_num_seqs),
            "mode": "eager" if config.model_config.enforce_eager else "compiled",
            "prefix_cache": "on" if cache.enable_prefix_caching else "off",
            "tensor_parallel_size": str(config.parallel_config.tensor_parallel_size),
            "engine_start": f"{self.seconds_to_start:.1f} s",
        }
        if torch.cuda.is_available():
            facts["device"] = torch.cuda.get_device_name()
        return facts

    def run(
        self, requests: Sequence[EngineRequest], more: Callable[[], Sequence[EngineRequest]]
    ) -> Iterator[EngineOutput]:
        """Answer as it finishes; what `more` gives between the steps joins those at work.

        Whoever stops listening stops the requests too.
        """
        texts: set[str] = set()
        waiting: deque[EngineRequest] = deque()
        rows = int(self._engine.vllm_config.scheduler_config.max_num_seqs)
        try:
            while requests or waiting or self._began:
                waiting.extend(requests)
                texts.update(each.id for each in requests if each.sampling.get("detokenize"))
                # How many may wait in the engine: where one has a time limit, only what is running.
                while waiting and (len(self._began) < rows or waiting[0].limit is None):
                    if refused := self._submit(waiting.popleft()):
                        yield refused
                for output in self._step() if self._began else ():
                    if output.finished and output.request_id in self._began:
                        first = output.outputs[0]
                        seconds = time.perf_counter() - self._forget(output.request_id)
                        is_text = output.request_id in texts
                        texts.discard(output.request_id)
                        times = output.metrics  # on the engine's own clock
                        timed = times is not None and 0 < times.scheduled_ts <= times.first_token_ts
                        yield EngineOutput(
                            output.request_id,
                            tuple(first.token_ids),
                            first.text if is_text else None,
                            first.finish_reason or "error",
                            times.last_token_ts - times.scheduled_ts if timed else seconds,
                            first_token=times.first_token_ts - times.scheduled_ts
                            if timed
                            else None,
                            timed=timed,
                        )
                yield from self._late()
                requests = more()
        finally:
            if left := list(self._began):
                self._engine.abort_request(left)
                for id in left:
                    self._forget(id)

    def score(
        self, prompts: Sequence[tuple[Sequence[int], EngineAdapter | None]]
    ) -> list[LogProbs]:
        """Return log-probabilities of each prompt's tokens but the first, by (prompt, position)."""
        scored = {"prompt_logprobs": 0, "max_tokens": 1, "temperature": 0.0, "detokenize": False}
        for number, (ids, adapter) in enumerate(prompts):
            self._add(EngineRequest(str(number), ids, scored, adapter))
        found: dict[str, Any] = {}
        while len(found) < len(prompts):
            found |= {output.request_id: output for output in self._step() if output.finished}
        scores: list[LogProbs] = []
        for number, (ids, _) in enumerate(prompts):
            # vLLM gives one mapping for each token but the first, with the token itself in it.
            rows = enumerate(zip(ids, found[str(number)].prompt_logprobs or (), strict=False))
            scores.append({(number, at): row[token].logprob for at, (token, row) in rows if row})
        return scores

    def close(self) -> None:
        """Give the memory back."""
        shutdown = getattr(self._engine.engine_core, "shutdown", None)
        if shutdown is not None:
            shutdown()
        self.llm = self._engine = None

    def _submit(self, request: EngineRequest) -> EngineOutput | None:
        """Hand a request over; return an output where the engine refuses it."""
        self._began[request.id] = time.perf_counter()
        if request.limit is not None:
            self._limits[request.id] = request.limit
        try:
            self._add(request)
        except Exception as error:  # of this one request: nothing has been computed yet
            if type(error).__name__ == "EngineDeadError":
                raise explain(error, "vLLM broke") from error
            self._forget(request.id)
            lines = (line.strip() for line in str(error).splitlines())
            first = next((line for line in lines if line), repr(error))
            return EngineOutput(request.id, error=f"vLLM refuses the request: {first}")
        return None

    def _add(self, request: EngineRequest) -> None:
        from vllm.inputs import tokens_input
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import (
            RequestOutputKind,
            SamplingParams,
            StructuredOutputsParams,
        )

        adapter, schema = request.adapter, None
        lora = LoRARequest(adapter.name, adapter.number, adapter.path) if adapter else None
        if request.schema is not None:
            # A schema of true or {} is any JSON value, which grammars have no name for but {}.
            any_of = request.schema if isinstance(request.schema, Mapping) else {}
            schema = StructuredOutputsParams(json=dict(any_of))
        sampling = SamplingParams(
            output_kind=RequestOutputKind.FINAL_ONLY, structured_outputs=schema, **request.sampling
        )
        prompt = tokens_input(list(request.token_ids))
        self._engine.add_request(request.id, prompt, sampling, lora_request=lora)

    def _step(self) -> Any:
        try:
            return self._engine.step()
        except Exception as error:
            raise explain(error, "vLLM broke") from error

    def _late(self) -> Iterator[EngineOutput]:
        """End the requests that are over their time limit."""
        now = time.perf_counter()
        over = [id for id, limit in self._limits.items() if now - self._began[id] > limit]
        if not over:
            return
        self._engine.abort_request(over)
        for id in over:
            limit = self._limits[id]
            seconds = now - self._forget(id)
            yield EngineOutput(id, seconds=seconds, error=f"over its time limit of {limit:g} s")

    def _forget(self, id: str) -> float:
        """Return when a request began, and know nothing of it any more."""
        self._limits.pop(id, None)
        return self._began.pop(id)
