"""The backend `openai` on a real server of vLLM, with adapters that were added at run time."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from harness.backends.vllm.server import Warm, find_engine
from tests.embedded import ROOT, Done, run

NAMES = ("repaired", "forgetful")


@pytest.fixture(scope="module")
def server(warm_engine: Path) -> Warm:
    """The server of the warm engine, as anybody's: it serves both adapters by name."""
    warm = find_engine(warm_engine)
    assert warm is not None
    for name in NAMES:
        adapter = {"lora_name": name, "lora_path": str(ROOT / "fixtures/adapters" / name)}
        headers = {"Authorization": f"Bearer {warm.key}"}
        url = f"{warm.url}/load_lora_adapter"
        httpx.post(url, json=adapter, headers=headers, timeout=120).raise_for_status()
    return warm


def ask(server: Warm, folder: Path, suites: str, model: str, *words: str) -> Done:
    """A run on the server, with its key in a variable of another name."""
    where = ["--backend=openai", f"--base-url={server.url}", f"--model={model}"]
    key = ["--engine-arg=api_key_env=MY_KEY"]
    return run(folder, "-m", "harness", "run", suites, *where, *key, *words, MY_KEY=server.key)


def test_prompts_go_as_token_ids_where_the_tokenizer_is_at_hand(
    server: Warm, tmp_path: Path
) -> None:
    done = ask(server, tmp_path, "suites/starter/refusal.yaml", "fixtures/model")

    assert done.code == 0, done.out
    assert "prompts go as token ids" in " ".join(done.out.split())
    told = {each["measure"]: each for row in done.card["categories"] for each in row["behaviour"]}
    assert told["tokens"]["mean"] > 0 and told["seconds"]["mean"] > 0
    assert told["first_token_seconds"]["reason"].startswith("the engine does not say")


def test_all_six_suites_get_the_verdicts_of_hf(server: Warm, gated: Done, tmp_path: Path) -> None:
    done = ask(server, tmp_path, "suites/", "base", *(f"--adapter={name}={name}" for name in NAMES))

    assert done.code == gated.code == 1, done.out
    for name in NAMES:
        assert done.verdicts(name) == gated.verdicts(name)
    assert "mean |Δ log-probability|" in str(done.card)
    assert server.key not in done.out + str(done.card)


def test_a_server_that_renders_goes_on_with_the_beginning_of_an_answer(
    server: Warm, tmp_path: Path
) -> None:
    """The same greedy answer whether the server continues it or is given its token ids."""
    (tmp_path / "s.yaml").write_text(PREFIXED)
    said = []
    for number, model in enumerate(("base", "fixtures/model")):
        folder = tmp_path / str(number)
        done = ask(server, folder, str(tmp_path / "s.yaml"), model)
        assert done.code in (0, 1), done.out
        said.append(done.answers()["continued", "base"])

    assert said[0] == said[1]
    assert said[0][0].startswith("The colours are")


PREFIXED = """
suite: prefixed
category: instruction_following
defaults:
  examples: [{user: Name a colour., assistant: Red.}]
  sampling: {max_new_tokens: 12}
cases:
  - {id: continued, user: Name two colours., prefix: The colours are, checks: [{contains: "The"}]}
"""


def test_a_name_that_is_not_served_is_named_with_the_nearest(server: Warm, tmp_path: Path) -> None:
    done = ask(server, tmp_path, "suites/", "base", "--adapter=tuned=repared")

    assert done.code == 2
    assert f"the server at {server.url} serves no model 'repared'\n" in done.out
    assert "  did you mean: repaired\n" in done.out
