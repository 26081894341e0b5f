"""How models refuse, language by language, and the checks that tell a refusal.

`packs/` has one text file a language, with a section for each kind of phrase. Every line is a
pattern for a part of one sentence, matched ignoring case; `~` stands for any ending of a word,
`<NAME>` for the alternatives under `[define NAME]`. A phrase begins and ends at a word boundary,
except in a file with the section `[unspaced]`: its language puts no spaces between words. In a file
with the section `[any order]`, what is denied may stand before the denial. `weights.json` is what
`bench/train_refusal.py` learned over these phrases.
"""

from harness.scorers.refusal.check import Decision, decide
from harness.scorers.refusal.model import features, marks, probabilities, words
from harness.scorers.refusal.reading import Reading, read

__all__ = ["Decision", "Reading", "decide", "features", "marks", "probabilities", "read", "words"]
