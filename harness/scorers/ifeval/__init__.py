"""The 25 verifiable instructions of IFEval, under their own ids and argument names.

The rules are our own work, from the published descriptions. `compat` follows the reference's rules,
defects included, for numbers that can be compared with published ones; `fixed`, the default, does
what the instruction says to a reader.
"""

from harness.scorers.ifeval.check import INSTRUCTIONS, IfevalArgs, Instruction, ifeval

__all__ = ["INSTRUCTIONS", "IfevalArgs", "Instruction", "ifeval"]
