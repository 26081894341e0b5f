"""A project of promptfoo: prompts × tests × assertions, as the cases of one suite.

Read from what promptfoo documents (configuration reference, 0.121). Nothing of the project is run:
what is a program there (JavaScript, Python, transforms, providers) is listed, with its line.
"""

from harness.suites.importing.promptfoo.assert_types import Choices
from harness.suites.importing.promptfoo.suite import import_promptfoo

__all__ = ["Choices", "import_promptfoo"]
