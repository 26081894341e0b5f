"""A/B tests: variants of one model that differ in sampling, system prompt or chat template."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.common import InputError, VariantRole
from harness.config import load_settings
from harness.evaluation import RunReport, run_suites, variants_of

MODEL = Path(__file__).parents[2] / "fixtures/model"
CONFIGURATION = f"""
model = "{MODEL}"
suites = ["suites"]
baseline = "cool"

[variants.cool]
sampling = {{temperature = 0.3}}

[variants.hot]
sampling = {{temperature = 0.7, top_k = 50}}

[variants.curt]
system = "Answer with one word."
sampling = {{temperature = 0.3}}

[variants.bare]
chat_template = "templates/bare.jinja"
sampling = {{temperature = 0.3}}
"""
SUITE = """
suite: ab
category: instruction_following
defaults: {sampling: {max_new_tokens: 16, seed: 5}}
cases:
  - {id: red, user: Say red., checks: [{contains: red}]}
  - {id: moon, user: Describe the moon in one sentence., checks: [{contains: moon}]}
  - {id: list, user: List three animals., checks: [{contains: a}]}
  - {id: hello, user: Say hello to Anna., checks: [{contains: Anna}]}
"""
BARE = (
    "{%- for message in messages %}{{- message.content + '\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ab")
    (folder / "harness.toml").write_text(CONFIGURATION)
    (folder / "suites").mkdir()
    (folder / "suites/ab.yaml").write_text(SUITE)
    (folder / "templates").mkdir()
    (folder / "templates/bare.jinja").write_text(BARE)
    return folder


@pytest.fixture(scope="module")
def report(project: Path) -> RunReport:
    return run_suites(load_settings(project))


def answers(report: RunReport, variant: str) -> dict[str, tuple[str, ...]]:
    return {r.case: r.responses for r in report.results() if r.variant == variant}


def test_the_base_stays_out_and_the_others_are_compared_with_the_baseline(
    report: RunReport,
) -> None:
    roles = {variant.name: variant.role for variant in report.info.variants}
    candidate = VariantRole.CANDIDATE

    assert roles == {
        "cool": VariantRole.BASELINE,
        "hot": candidate,
        "curt": candidate,
        "bare": candidate,
    }
    pairs = [v.comparison.pairs for v in report.gate.suites if v.comparison is not None]
    assert pairs == [4, 4, 4]


@pytest.mark.parametrize("variant", ["hot", "curt", "bare"])
def test_an_override_changes_answers(report: RunReport, variant: str) -> None:
    assert answers(report, variant) != answers(report, "cool")


def test_overrides_are_in_the_scorecard(report: RunReport, project: Path) -> None:
    cards = {card.name: card for card in report.scorecard.variants}
    page = report.paths.html.read_text()

    assert cards["hot"].info.sampling == {"temperature": 0.7, "top_k": 50}
    assert cards["curt"].info.system == "Answer with one word."
    assert cards["bare"].info.chat_template == str(project / "templates/bare.jinja")
    assert len({card.signature for card in cards.values()}) == 4
    for shown in ("temperature 0.7, top_k 50", "Answer with one word.", "templates/bare.jinja"):
        assert shown in page


def test_the_template_is_part_of_what_was_run_and_not_of_what_must_be_equal(
    report: RunReport,
) -> None:
    cards = {card.name: card for card in report.scorecard.variants}
    signatures = {result.variant: result.signature for result in report.results()}

    bare, cool = cards["bare"].info, cards["cool"].info
    assert bare.environment["chat_template"] != cool.environment["chat_template"]
    assert len(set(signatures.values())) == 1


def test_another_override_is_another_answer_and_the_rest_is_in_the_store(
    report: RunReport, project: Path
) -> None:
    (project / "templates/bare.jinja").write_text(BARE.replace("'\\n'", "'\\n\\n'", 1))
    changed = (project / "harness.toml").read_text().replace("0.7, top_k = 50", "0.7, top_k = 40")
    (project / "harness.toml").write_text(changed)

    again = run_suites(load_settings(project))

    assert (again.info.generated, again.info.cached) == (8, 8)
    assert answers(again, "cool") == answers(report, "cool")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "[variants.hot]\nsampling = {temprature = 0.7}",
            "{path}:2:13: unknown setting 'temprature'\n"
            "  did you mean: temperature\n"
            "  hint: known settings: max_new_tokens, max_reasoning_tokens, repetition_penalty, "
            "seed, stop, temperature, top_k, top_p",
        ),
        (
            "[variants.hot]\nprompt = 'x'",
            "{path}:2:1: unknown setting 'prompt'\n"
            "  hint: known settings: adapter, chat_template, chat_template_args, model, prices, "
            "reasoning_parser, sampling, system, system_role",
        ),
        (
            "[variants.hot]\nsampling = {temperature = 'hot'}",
            "{path}:2:27: wrong value for 'variants.hot.sampling.temperature'\n"
            "  found: text 'hot'\n"
            "  expected: a number",
        ),
        (
            "[variants.hot]\nsampling = {temperature = -1}",
            "{path}:2:27: wrong value for 'variants.hot.sampling.temperature'\n"
            "  found: number -1\n"
            "  expected: 0 or more",
        ),
        (
            "[variants.'so hot']\nsystem = 'x'",
            "variant name 'so hot' is not allowed\n  expected: letters, digits, '_', '.', '-'",
        ),
    ],
)
def test_a_wrong_table_is_an_input_error(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "harness.toml"
    path.write_text(f"{table}\n")

    with pytest.raises(InputError) as caught:
        variants_of(load_settings(tmp_path, {"model": "m"}))

    assert str(caught.value) == message.format(path=path)


def test_an_engine_that_takes_no_templates_says_so(project: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_suites(load_settings(project, {"backend": "echo"}))

    assert str(caught.value) == (
        "variant 'bare' has a chat template of its own, and backend 'echo' takes none\n"
        f"  found: {project}/templates/bare.jinja\n"
        "  hint: use --backend hf, or leave chat_template out"
    )


def test_a_template_that_is_missing_is_named(project: Path) -> None:
    settings = load_settings(project, {"backend": "echo"})
    gone = {"gone": {"chat_template": "templates/gone.jinja"}}
    settings = settings.model_validate({**dict(settings), "variants": gone, "baseline": None})

    with pytest.raises(InputError) as caught:
        run_suites(settings)

    assert str(caught.value) == (
        f"{project}/templates/gone.jinja: there is no such chat template\n"
        "  expected: a Jinja file, such as chat_template.jinja"
    )
