"""Which marks of reasoning a run takes out of answers, and which it meets and does not know."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.common import Variant
from harness.config import Settings
from harness.results import Result, VariantInfo
from harness.scorers import DEFAULT_TAGS, Tag, declared_tags, unread_mark


def tags_of(settings: Settings, variants: Iterable[Variant | VariantInfo]) -> tuple[Tag, ...]:
    """Return the tags that are configured; else the default ones and what the models declare.

    A model declares its marks in its chat template. One that cannot be read declares none: the
    engine says what is wrong with it.
    """
    if "reasoning_tags" in settings.model_fields_set:
        return settings.reasoning_tags
    found: dict[Tag, None] = dict.fromkeys(DEFAULT_TAGS)
    for variant in variants:
        model = Path(variant.model)
        files = [Path(variant.chat_template)] if variant.chat_template else []
        for file in files or [model / "chat_template.jinja", model / "tokenizer_config.json"]:
            try:
                text = file.read_text(encoding="utf-8")
                if file.suffix == ".json":
                    text = json.dumps(json.loads(text).get("chat_template", ""), ensure_ascii=False)
            except (OSError, ValueError, AttributeError):
                continue
            found |= dict.fromkeys(declared_tags(text))
    return tuple(found)


class UnreadMarks:
    """Counts answers that begin with a mark of reasoning which was not taken out of them."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags = tags
        self._found: Counter[tuple[str, str]] = Counter()

    def passing(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the same results, each counted on its way to whoever reads them."""
        for result in results:
            for mark in filter(None, (unread_mark(raw, self._tags) for raw in result.responses)):
                self._found[result.variant, mark] += 1
            yield result

    def warnings(self) -> tuple[str, ...]:
        """Return a warning for each variant and mark, with what to write in the configuration."""
        return tuple(
            f"{variant}: {count} answer{'s' if count > 1 else ''} began with {mark}, which was "
            "scored as part of the answer; if it is reasoning, name it in reasoning_tags"
            for (variant, mark), count in sorted(self._found.items())
        )
