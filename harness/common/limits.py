"""Bounds that every check keeps on any input."""

from __future__ import annotations

# No check reads an answer that is longer: a model's longest context holds about a tenth of it.
ANSWER_CHARS = 4_000_000
# A finding's reason is cut here: it may quote names that a model made up.
REASON_CHARS = 1_900
# Keys of one mapping that are held against the known ones: a row may have a million.
KEYS_COMPARED = 100
# The time that the user's own patterns may take in one check. A pattern without nested
# repetition needs milliseconds for the longest answers.
REGEX_SECONDS = 1.0
# Numbers with more digits, or with an exponent beyond this, are not read as numbers.
NUMBER_DIGITS = 1_000
# JSON and XML that nest deeper are refused: well below Python's recursion limit in any caller.
NESTING = 100
# The time in which an answer must be validated against a JSON Schema.
SCHEMA_SECONDS = 2.0
