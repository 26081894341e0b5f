"""How models refuse, language by language: the words for the grammar in `harness.scorers.refusal`.

One text file a language, with a section for each kind of phrase. Every line is a pattern for a part
of one sentence, matched ignoring case; `~` stands for any ending of a word, `<NAME>` for the
alternatives under `[define NAME]`. A phrase begins and ends at a word boundary, except in a file
with the section `[unspaced]`: its language puts no spaces between words. In a file with the section
`[any order]`, what is denied may stand before the denial.
"""

from harness.scorers.refusal_phrases.pack import LANGUAGES, Pack, packs, packs_for

__all__ = ["LANGUAGES", "Pack", "packs", "packs_for"]
