"""What engines without a tokenizer share: prompts as messages, tokens estimated."""

from __future__ import annotations

from harness.backends.values import Prompt
from harness.chat import Messages

# English prose has about four characters to a token in the vocabularies of today's models
# (platform.openai.com/tokenizer says so of GPT); each turn has a few tokens of its own.
CHARACTERS_PER_TOKEN = 4
TOKENS_PER_TURN = 4


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text has; 0 only for an empty one."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def plain_prompt(messages: Messages) -> Prompt:
    """The prompt of an engine that takes messages, with an estimated length."""
    tokens = sum(estimate_tokens(message.content) + TOKENS_PER_TURN for message in messages)
    return Prompt(messages, None, tokens, estimated=True)
