"""The backend `openai`: a server that somebody else runs, asked over its OpenAI-compatible API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from harness.backends.base import (
    PLAIN,
    Backend,
    BackendOptions,
    Completion,
    Environment,
    Fingerprint,
    Prompt,
    Rendering,
    Request,
    beside,
    in_batches,
    machine_of,
    plain_prompt,
)
from harness.backends.effect import Effect, effect_facts, effect_notes, require_effects
from harness.backends.openai.arguments import read_endpoint
from harness.backends.openai.replies import CallError, fatal, unknown_model
from harness.backends.openai.server import VLLM, look_at
from harness.backends.openai.wire import (
    CHAT,
    COMPLETIONS,
    Dialect,
    Written,
    answers,
    chat_body,
    chat_probe,
    measure,
    read_answer,
    token_body,
    token_probe,
)
from harness.common import HarnessError, InputError, Messages, Problem, Variant, digest
from harness.prompts import ChatTokenizer, load_tokenizer

_NO_TOKENIZER = "none"


class OpenAIBackend(Backend):
    """A server by its address; base and adapters by the names that it serves them under.

    The server renders the prompts, unless it is vLLM and the model's tokenizer is on this machine:
    then prompts go as token ids. The engine arguments are those of `Endpoint`.
    """

    name = "openai"
    constrains_json = True

    def __init__(self, options: BackendOptions) -> None:
        self._endpoint = read_endpoint(options)
        self._options = options
        self._server = look_at(self._endpoint)
        # OpenRouter passes a limit on to whoever has one.
        router = (urlsplit(self._endpoint.url).hostname or "").endswith("openrouter.ai")
        self.limits_reasoning = self._server.program == VLLM or router
        self._tokenizers: dict[str, ChatTokenizer] = {}  # by the path of a template of one's own
        self._effects: dict[str, Effect] = {}
        problems = []
        for variant in options.variants:
            named = {"--model": variant.model, "--adapter NAME=SERVED": variant.adapter}
            for option, name in named.items():
                if name and self._server.lists_all and self._server.find(name) is None:
                    problem = unknown_model(name, self._server.cards, self._endpoint, option)
                    problems += [problem] if problem not in problems else []
        if self._endpoint.tokenizer not in ("", _NO_TOKENIZER) and self._server.program != VLLM:
            problems.append(
                Problem(
                    "openai: 'tokenizer' is of no use here: prompts as token ids go to vLLM alone",
                    found=f"{self._server.program or 'another program'} at {self._endpoint.url}",
                    hint="leave it out",
                )
            )
        if problems:
            raise InputError(*problems)

    @property
    def context_length(self) -> int | None:
        """Return the shortest of its models', as far as the server says."""
        cards = [self._server.find(variant.model) for variant in self._options.variants]
        lengths = [card.context for card in cards if card]
        return min((length for length in lengths if length), default=None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Say who answers, how prompts are made, and what cannot be known of a server."""
        program = " ".join(filter(None, (self._server.program, self._server.version)))
        told = program or "a server that does not say which program it is"
        systems = (tokenizer.default_system for tokenizer in self._tokenizers.values())
        templates = [
            f"without a system message, the chat template adds {repr(system)[:100]}"
            for system in systems
            if system
        ]
        prompts = "as token ids" if self._token_source else "as messages: the server renders them"
        return (
            f"answers come from {told} at {self._endpoint.url}; prompts go {prompts}",
            "weights are known by their names on the server alone: when other weights are served "
            "under the same name, give --engine-arg revision=...",
            *templates,
            *effect_notes(self._effects.values()),
        )

    def environment(self, variant: Variant) -> Environment:
        """Return program and version as the server says, and what every request is told."""
        tokens = self._tokenizer(variant)
        return Environment(
            engine=self.name,
            version=" ".join(filter(None, (self._server.program, self._server.version))),
            chat_template=tokens.template_hash if tokens else "",
            extra=self._endpoint.in_key,
        )

    def fingerprint(self, variant: Variant) -> Fingerprint:
        """Hash names, and what the server says about them: no weights are seen."""
        weights = self._identity(variant.model)
        return Fingerprint(weights, self._identity(variant.adapter) if variant.adapter else "")

    def prompt(self, messages: Messages, variant: Variant, rendering: Rendering = PLAIN) -> Prompt:
        """Make token ids where they can be sent; else the messages, counted or estimated."""
        arguments = self._endpoint.template_args(rendering.template_args)
        tokenizer = self._tokenizer(variant)
        if tokenizer is None:
            if messages[-1].role == "assistant" and self._server.program != VLLM:
                raise InputError(
                    Problem(
                        "the server cannot go on with the beginning of an answer",
                        found=f"{self._server.program or 'another program than vLLM'} at "
                        f"{self._endpoint.url}",
                        hint="leave `prefix` out, or ask vLLM, or --backend hf or vllm",
                    )
                )
            return plain_prompt(messages, rendering)
        rendering.demand_free_choice()
        ids = tokenizer.token_ids(messages, tools=rendering.tools, arguments=arguments)
        return Prompt(messages, ids, len(ids), ending=tokenizer.ending(ids))

    def chat_template(self, variant: Variant) -> str | None:
        """Return that of the tokenizer, where prompts go as token ids."""
        tokenizer = self._tokenizer(variant)
        return None if tokenizer is None else tokenizer.template

    def count_tokens(self, text: str, variant: Variant) -> int | None:
        """Count with the tokenizer, where there is one."""
        tokenizer = self._tokenizer(variant)
        return None if tokenizer is None else tokenizer.count(text)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer as it arrives, so many requests at a time as the endpoint allows.

        Raises `InputError` for an adapter that does nothing.
        """
        tuned = {
            request.variant.name: request.variant
            for request in requests
            if request.variant.adapter and request.variant.name not in self._effects
        }
        for model in {variant.model for variant in tuned.values()}:
            mine = {name: v for name, v in tuned.items() if v.model == model}
            served = {name: self._served(str(v.adapter)) for name, v in mine.items()}
            found = measure(self._endpoint, self._served(model), served, self._probe)
            self._effects.update(found)
            effects = [(found[name], served[name]) for name in mine]
            require_effects(self.name, effects, served=True)
        # Nobody sees the machine behind an address.
        program = " ".join(filter(None, (self._server.program, self._server.version)))
        driven = f"openai {program}", self._endpoint.url, self._endpoint.in_flight
        dialect = Dialect(self._write, read_answer, self._fatal)
        for batch in in_batches(requests, apart=self._options.apart):
            for request, completion in answers(self._endpoint, batch, dialect):
                machine = machine_of(*driven, *beside(batch, request.variant))
                yield request, replace(completion, machine=machine)

    def execution(self) -> Mapping[str, str]:
        """Return address, requests at a time, and what the adapters do."""
        facts = {"server": self._endpoint.url, "in_flight": str(self._endpoint.in_flight)}
        return {**facts, **effect_facts(self._effects.values())}

    @cached_property
    def _token_source(self) -> str:
        """Say whose tokenizer makes the prompts; empty where the server renders them."""
        told = self._endpoint.tokenizer
        if self._server.program != VLLM or told == _NO_TOKENIZER:
            return ""
        models = {variant.model for variant in self._options.variants}
        model = models.pop() if len(models) == 1 else ""
        return told or (model if Path(model, "tokenizer_config.json").is_file() else "")

    def _tokenizer(self, variant: Variant) -> ChatTokenizer | None:
        if not self._token_source:
            return None
        template = variant.chat_template or ""
        if template not in self._tokenizers:
            self._tokenizers[template] = load_tokenizer(
                self._token_source,
                trust_remote_code=self._options.trust_remote_code,
                chat_template=variant.chat_template,
                cache_dir=self._options.cache_dir,
            )
        return self._tokenizers[template]

    def _served(self, name: str) -> str:
        """Return the name on the server, for a name or a directory that the user gave."""
        card = self._server.find(name)
        return card.name if card else name

    def _served_for(self, variant: Variant) -> str:
        return self._served(variant.adapter or variant.model)

    def _identity(self, name: str) -> str:
        card = self._server.find(name)
        facts = [card.root, card.parent, dict(card.details)] if card else []
        where = [self._endpoint.url, self._served(name), self._endpoint.revision]
        return digest([*where, *facts])

    def _probe(self, messages: Messages, model: str) -> Written:
        tokenizer = self._tokenizer(self._options.variants[0]) if self._token_source else None
        if tokenizer is None:
            return CHAT, chat_probe(messages, model, self._server.program)
        return COMPLETIONS, token_probe(tokenizer.token_ids(messages), model)

    def _write(self, request: Request) -> Written:
        model = self._served_for(request.variant)
        if request.prompt.token_ids is not None:
            return COMPLETIONS, token_body(request, model, self._endpoint)
        return CHAT, chat_body(request, model, self._endpoint, self._server.program)

    def _fatal(self, error: CallError, request: Request) -> HarnessError | None:
        model = self._served_for(request.variant)
        fields = self._write(request)[1]
        return fatal(error, model, self._server.cards, self._endpoint, fields)
