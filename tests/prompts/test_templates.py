"""Chat templates are rendered as transformers renders them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.common import Message, Messages, as_dicts
from harness.prompts.chat_tokenizer import open_backing
from harness.prompts.kept import Transformers
from harness.prompts.templates import today
from tests.backends.tiny import save_tokenizer

TALK = (
    Message("system", " Be <b>brief</b>.\n"),
    Message("user", "Grüße & \"Hi\" 'there'\n"),
    Message("assistant", "Ja."),
    Message("user", "And?"),
)
TEMPLATES = (
    "{% for m in messages %}\n  {{ m }}\n    {% if loop.last %}\n l\n  {% endif %}\n{% endfor %}",
    "{%- for m in messages -%}\n {{ m['content'] | trim }} {%- endfor %}",
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ m.content }}"
    "{% if loop.index0 == 2 %}{% break %}{% endif %}{% endfor %}",
    "{% for m in messages %}{% generation %}\n  {{ m.content }}\n{% endgeneration %}\n{% endfor %}",
    "{% for m in messages %}{% set x = m.role %}{% generation %}{% set y = 'in' %}{{ x }}{{ y }}"
    "{% endgeneration %}{{ y }}{% endfor %}",
    "{{ messages | tojson }}|{{ messages[0] | tojson(indent=2) }}",
    "{{ {'b': 1, 'a': 'ü'} | tojson(sort_keys=true) }}",
    "{{ messages[1].content }}{{ messages[1].content | e }}{{ messages[1].content | length }}",
    "{{ strftime_now('%Y-%m') }}{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}",
    "{{ tools }}{{ documents }}{{ tools is none }}{{ xml is defined }}{{ add_generation_prompt }}",
    "{% set ns = namespace(n=0) %}{% for m in messages[1:] %}{% set ns.n = ns.n + 1 %}{% endfor %}"
    "{{ ns.n }}",
    "{% macro say(m) %}{{ m.role | upper }}: {{ m.content }}{% endmacro %}{{ say(messages[0]) }}",
    "{{ messages[0].content.strip().split(' ')[-1] }}",
    "{{ messages | map(attribute='role') | join(',') }}",
    "{{ messages[0].missing }}|{{ nothing }}|{{ 7 // 2 }}{{ 'a' ~ 1 }}\n\n",
)
REFUSALS = (
    "{{ raise_exception('No system turn: ' + messages[0].role) }}",
    "{{ messages.append(1) }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ nothing.at_all }}",
    "{% for m in messages %}",
    "{% generation %}",
    "{{ messages | no_such_filter }}",
    "{{ messages[0].content + 1 }}",
    "{{ 1 / 0 }}",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    save_tokenizer(folder / "model")
    open_backing(folder / "model", folder)
    return folder


def applied(built: Transformers, template: str, talk: Messages, **more: Any) -> str:
    """What transformers itself renders."""
    return str(
        built.tokenizer.apply_chat_template(
            as_dicts(talk), chat_template=template, tokenize=False, strftime_now=today, **more
        )
    )


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_text_is_that_of_transformers(model: Path, template: str) -> None:
    built, kept = open_backing(model / "model"), open_backing(model / "model", model)
    assert isinstance(built, Transformers)

    for asked in (True, False):
        theirs = applied(built, template, TALK, add_generation_prompt=asked)
        assert kept.render(template, TALK, add_generation_prompt=asked) == theirs
        assert built.render(template, TALK, add_generation_prompt=asked) == theirs


@pytest.mark.parametrize("template", REFUSALS)
def test_what_transformers_refuses_is_refused_alike(model: Path, template: str) -> None:
    built, kept = open_backing(model / "model"), open_backing(model / "model", model)
    assert isinstance(built, Transformers)
    said = []
    for render in (partial(applied, built, template), partial(kept.render, template)):
        with pytest.raises(Exception, match=r".") as caught:
            render(TALK, add_generation_prompt=True)
        said.append((caught.type, str(caught.value)))

    assert said[0] == said[1]
