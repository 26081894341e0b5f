"""Checks under the names that other tools give them, and forms that are written otherwise here."""

from __future__ import annotations

from collections.abc import Collection

from harness.errors import nearest

_NAMES = {
    "contains": ("includes", "include", "has", "substring", "icontains"),
    "contains_all": ("includes_all", "contains-all", "icontains-all"),
    "contains_any": ("includes_any", "contains-any", "icontains-any"),
    "equals": ("exact", "exact_match", "exact-match", "is", "match_exact"),
    "regex": ("match", "matches", "pattern", "regexp", "re"),
    "json": ("is_json", "is-json", "valid_json", "contains-json"),
    "json_schema": ("schema", "jsonschema", "is_valid_schema"),
    "json_value": ("json_path", "jsonpath", "jq", "field", "key"),
    "judge": ("llm", "llm_rubric", "llm-rubric", "rubric", "model-graded", "grader"),
    "refuses": ("refusal", "is-refusal", "is_refusal", "declines"),
    "complies": ("compliance", "no_refusal", "answers", "not_refuses", "not-refuses"),
    "similarity": ("similar", "cosine", "embedding"),
    "python": ("function", "custom", "javascript", "code", "script_file"),
    "language": ("lang", "is_language", "response_language"),
    "numeric": ("number", "is_number", "float", "integer"),
    "no_markdown": ("plain_text", "no-markdown"),
    "length": ("chars", "characters", "max_length", "min_length"),
    "bertscore": ("bert_score",),
    "rouge": ("rouge1", "rouge2", "rougeL", "rouge-n", "rouge_l"),
}
_CALLED = {other: name for name, others in _NAMES.items() for other in others}
_COUNTED = ("words", "sentences", "lines", "paragraphs", "bullets", "length")


def meant(name: str, known: Collection[str]) -> str:
    """What to write instead of a check that is not known; empty where nobody can tell."""
    if name in _CALLED:
        return _CALLED[name]
    head, _, rest = name.replace("-", "_").partition("_")
    if head in ("not", "no", "without") and (inner := nearest(rest, known)):
        return f"`not: {{{inner}: ...}}`"
    if head in ("min", "max") and (inner := nearest(rest, _COUNTED)):
        return f"`{inner}: {{{head}: ...}}`"
    return nearest(name, known)
