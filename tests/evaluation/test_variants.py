"""Who takes part, in which role; and what is said when the names are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.common import InputError, VariantRole
from harness.config import Settings, VariantSettings
from harness.evaluation import variants_of

BASELINE, CANDIDATE, REFERENCE = VariantRole.BASELINE, VariantRole.CANDIDATE, VariantRole.REFERENCE


def roles_of(**settings: object) -> dict[str, VariantRole]:
    found = variants_of(Settings.model_validate({"model": "m", **settings}))
    return {v.name: v.role for v in found}


def test_a_lone_base_is_a_candidate() -> None:
    assert roles_of() == {"base": CANDIDATE}


def test_the_base_is_the_baseline_of_adapters() -> None:
    assert roles_of(adapter=("a=x", "b=y")) == {"base": BASELINE, "a": CANDIDATE, "b": CANDIDATE}


def test_another_baseline_leaves_the_base_out() -> None:
    assert roles_of(adapter=("a=x", "b=y"), baseline="a") == {"a": BASELINE, "b": CANDIDATE}


def test_the_base_stays_as_a_reference() -> None:
    roles = roles_of(adapter=("a=x", "b=y"), baseline="a", reference=("base",))

    assert roles == {"a": BASELINE, "base": REFERENCE, "b": CANDIDATE}


def test_no_baseline_leaves_candidates_alone() -> None:
    assert roles_of(adapter=("a=x",), baseline="none") == {"a": CANDIDATE}


def test_a_model_of_its_own_and_an_adapter_by_variant() -> None:
    found = variants_of(Settings(model="m", variant=("merged=model:big", "fix=adapter:small")))

    assert [(v.name, v.model, v.adapter) for v in found] == [
        ("base", "m", None),
        ("merged", "big", None),
        ("fix", "m", "small"),
    ]


def test_a_glob_names_each_adapter_after_its_directory(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "out" / name).mkdir(parents=True)

    found = variants_of(Settings(root=tmp_path, model="m", adapter=("out/*",)))

    assert [v.name for v in found] == ["base", "one", "two"]


def test_overrides_come_from_the_configuration() -> None:
    table = {"hot": VariantSettings.model_validate({"sampling": {"temperature": 0.7}})}
    base, hot = variants_of(Settings(model="m", variants=table))

    assert base.sampling is None
    assert hot.sampling is not None
    assert hot.sampling.temperature == 0.7


def test_recorded_answers_bring_their_own_variants(tmp_path: Path) -> None:
    rows = [{"case": "c", "variant": name, "response": "yes"} for name in ("base", "v2")]
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = variants_of(Settings(backend="replay", responses=answers))

    assert [(v.name, v.role) for v in found] == [("base", BASELINE), ("v2", CANDIDATE)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model": None, "root": "empty"},
            "no model given\n"
            '  hint: add --model DIR, or model = "DIR" in empty/harness.toml, '
            "which `harness init` writes",
        ),
        (
            {"adapter": ("base=x",)},
            "two variants are called 'base'\n"
            "  found: m, x\n"
            "  hint: base is --model itself: give the other a name of its own",
        ),
        (
            {"adapter": ("a=x", "a=y")},
            "two variants are called 'a'\n"
            "  found: x, y\n"
            "  hint: give each a name of its own: --adapter NAME=DIR",
        ),
        (
            {"adapter": ("a b=x",)},
            "variant name 'a b' is not allowed\n  expected: letters, digits, '_', '.', '-'",
        ),
        (
            {"adapter": ("repaired=x",), "baseline": "repiared"},
            "--baseline 'repiared' names no variant of this run, and no earlier run\n"
            "  expected: one of base, repaired; a run (`harness runs` lists them); FILE.json\n"
            "  did you mean: repaired",
        ),
        (
            {"adapter": ("repaired=x",), "reference": ("bass",)},
            "--reference 'bass' names no variant of this run\n"
            "  expected: one of base, repaired\n"
            "  did you mean: base",
        ),
        (
            {"variant": ("x=lora:y",)},
            "--variant 'x=lora:y' is not understood\n"
            "  expected: NAME=adapter:DIR or NAME=model:DIR",
        ),
        (
            {"adapter": ("x=",)},
            "adapter 'x=' is not understood\n  expected: --adapter NAME=DIR",
        ),
        (
            {"adapter": ("=x",)},
            "adapter '=x' is not understood\n  expected: --adapter NAME=DIR",
        ),
        (
            {"variant": ("=adapter:x",)},
            "adapter '=x' is not understood\n  expected: --variant NAME=adapter:DIR",
        ),
        ({"adapter": ("nowhere/*",)}, "no directory matches 'nowhere/*'"),
    ],
)
def test_wrong_names_are_input_errors(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        roles_of(**settings)

    assert str(caught.value) == message
