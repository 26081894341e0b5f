"""One engine of lm-evaluation-harness, timed from inside; run by the Python that has lm-eval.

    python lm_eval_engine.py JOB.json

The job tells the model's arguments, the prompts of each generation, the tokens of an answer and
where the figures go: seconds from the process's start to an engine that is ready, then those of
each generation. It imports nothing of ours, for that Python has none of it.

With `replicas` lm-eval starts its engines anew in every call (data_parallel_size, through Ray): a
call with one prompt for each is then the start, and is taken off the others.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Start the engine, generate all sets, write the figures and the first set's answers."""
    begun = time.perf_counter()
    job = json.loads(Path(sys.argv[1]).read_text())
    from lm_eval.api.instance import Instance
    from lm_eval.models.vllm_causallms import VLLM

    engine = VLLM(**job["arguments"], batch_size="auto")
    start = time.perf_counter() - begun
    settings = {"until": [], "max_gen_toks": job["tokens"], "do_sample": False, "temperature": 0.0}

    def answered(prompts: list[str]) -> tuple[list[str], float]:
        asked = [
            Instance("generate_until", {}, (text, dict(settings)), number)
            for number, text in enumerate(prompts)
        ]
        begun = time.perf_counter()
        return engine.generate_until(asked, disable_tqdm=True), time.perf_counter() - begun

    again = 0.0
    if job.get("replicas", 1) > 1:
        _, again = answered(job["prompts"][0][: job["replicas"]])
        start += again
    seconds, said = [], []
    for prompts in job["prompts"]:
        answers, took = answered(prompts)
        said.append(answers)
        seconds.append(took - again)
    Path(job["figures"]).write_text(
        json.dumps({"start": start, "seconds": seconds, "answers": said[0]})
    )


if __name__ == "__main__":
    main()
