"""Messages to token ids: the only way, for every engine and for the trainer."""

from harness.prompts.chat_tokenizer import ChatTokenizer, load_tokenizer
from harness.prompts.templates import read_template, template_hash
from harness.prompts.tool_calls import ANY, FAMILIES, ParsedAnswer, call_family, parse_calls

__all__ = [
    "ANY",
    "FAMILIES",
    "ChatTokenizer",
    "ParsedAnswer",
    "call_family",
    "load_tokenizer",
    "parse_calls",
    "read_template",
    "template_hash",
]
