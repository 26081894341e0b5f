"""Where training rows come from: pools, generators, teachers, replay, production's bad cases."""

from harness.training.sources.bad_cases import BadCases, read_bad_cases
from harness.training.sources.generated import Practice, practice_cases, practise
from harness.training.sources.pairs import (
    learnable,
    paired,
    read_pair_pools,
    sampled_answers,
)
from harness.training.sources.paraphrases import paraphrases
from harness.training.sources.pools import drawn, fair_shares, pool_file, read_pools
from harness.training.sources.references import reference_conversation
from harness.training.sources.replay import (
    ReplayPrompts,
    replay_from_model,
    replay_from_pools,
    replay_prompts,
    replay_rows,
)
from harness.training.sources.teacher import (
    Teacher,
    aside,
    ask,
    find_teacher,
    teach,
    unknown_teacher,
)
from harness.training.sources.values import Harvest, harvest_from_json, harvest_to_json

__all__ = [
    "BadCases",
    "Harvest",
    "Practice",
    "ReplayPrompts",
    "Teacher",
    "aside",
    "ask",
    "drawn",
    "fair_shares",
    "find_teacher",
    "harvest_from_json",
    "harvest_to_json",
    "learnable",
    "paired",
    "paraphrases",
    "pool_file",
    "practice_cases",
    "practise",
    "read_bad_cases",
    "read_pair_pools",
    "read_pools",
    "reference_conversation",
    "replay_from_model",
    "replay_from_pools",
    "replay_prompts",
    "replay_rows",
    "sampled_answers",
    "teach",
    "unknown_teacher",
]
