"""Messages to token ids: the only way, for every engine and for the trainer."""

from harness.prompts.chat_tokenizer import ChatTokenizer, load_tokenizer
from harness.prompts.templates import read_template, template_hash

__all__ = ["ChatTokenizer", "load_tokenizer", "read_template", "template_hash"]
