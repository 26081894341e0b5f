"""Messages to token ids: what every engine and the trainer are given."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from harness.common import InputError, Message
from harness.prompts import ChatTokenizer, load_tokenizer, template_hash
from harness.prompts.chat_tokenizer import TOKENIZER_FILES
from tests.backends.tiny import DEFAULT_SYSTEM, TEMPLATE, save_tokenizer
from tests.embedded import ROOT

USER = Message("user", "Hi there")
SYSTEM = Message("system", "Be brief.")
PLAIN = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
NO_SYSTEM = (
    "{%- if messages[0].role == 'system' %}"
    "{{- raise_exception('System role not supported') }}"
    "{%- endif %}{{- bos_token + messages[0].content }}"
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> ChatTokenizer:
    return tokenizer_with(TEMPLATE, tmp_path)


def tokenizer_with(template: str, directory: Path, bos: bool = False) -> ChatTokenizer:
    save_tokenizer(directory, template, bos)
    return load_tokenizer(directory)


def test_token_ids_are_those_of_the_rendered_text(tokenizer: ChatTokenizer) -> None:
    ids = tokenizer.token_ids((SYSTEM, USER))

    assert tokenizer.tokenizer.decode(list(ids)) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nHi there<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.text((SYSTEM, USER)) == tokenizer.tokenizer.decode(list(ids))


def test_the_generation_prompt_can_be_left_out_for_training(tokenizer: ChatTokenizer) -> None:
    conversation = (USER, Message("assistant", "Hello"))

    whole = tokenizer.token_ids(conversation, add_generation_prompt=False)

    text = str(tokenizer.tokenizer.decode(list(whole)))
    assert text.endswith("assistant\nHello<|im_end|>\n")


def test_there_is_one_bos_where_the_tokenizer_adds_one_too(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(NO_SYSTEM, tmp_path, bos=True)

    ids = tokenizer.token_ids((USER,))

    assert tokenizer.tokenizer.encode("Hi")[0] == 0
    assert ids.count(0) == 1 and ids[0] == 0


def test_count_is_of_the_bare_text(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(NO_SYSTEM, tmp_path, bos=True)

    assert tokenizer.count("") == 0
    assert tokenizer.count("12") == 2


def test_decode_leaves_special_tokens_out_and_text_as_it_is(tokenizer: ChatTokenizer) -> None:
    ids = [*tokenizer.tokenizer.encode("Yes , it 's so ."), 2]

    assert tokenizer.decode(ids) == "Yes , it 's so ."


@pytest.mark.parametrize(
    ("template", "expected"), [(TEMPLATE, DEFAULT_SYSTEM), (PLAIN, None), (NO_SYSTEM, None)]
)
def test_the_system_message_that_a_template_adds_is_known(
    template: str, expected: str | None, tmp_path: Path
) -> None:
    assert tokenizer_with(template, tmp_path).default_system == expected


def test_an_empty_system_message_is_not_the_default_one(tokenizer: ChatTokenizer) -> None:
    empty = tokenizer.token_ids((Message("system", ""), USER))

    assert empty != tokenizer.token_ids((USER,))


def test_template_hash_follows_the_template(tmp_path: Path) -> None:
    one = tokenizer_with(TEMPLATE, tmp_path / "one")
    same = tokenizer_with(TEMPLATE, tmp_path / "same")
    other = tokenizer_with(PLAIN, tmp_path / "other")

    assert one.template_hash == same.template_hash != other.template_hash
    assert len(one.template_hash) == 16


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (TEMPLATE, True),
        (PLAIN, True),  # they differ only where no system message is given
        (PLAIN.replace("im_end", "end"), False),
        ("{{ broken", False),
    ],
)
def test_templates_are_compared_by_what_they_render(
    template: str, expected: bool, tokenizer: ChatTokenizer
) -> None:
    assert tokenizer.renders_like(template) is expected


def test_a_tokenizer_without_template_is_refused(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)

    with pytest.raises(InputError) as caught:
        load_tokenizer(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: the tokenizer has no chat template\n"
        "  expected: chat_template.jinja, or chat_template in tokenizer_config.json\n"
        "  hint: use the instruct model, or copy its chat_template.jinja into this directory"
    )


def test_messages_that_a_template_refuses_are_named(tmp_path: Path) -> None:
    tokenizer = tokenizer_with(NO_SYSTEM, tmp_path, bos=True)

    with pytest.raises(InputError) as caught:
        tokenizer.token_ids((SYSTEM, USER))

    assert str(caught.value) == (
        f"{tmp_path}: the chat template refuses these messages: System role not supported\n"
        "  found: system, user\n"
        "  hint: say system_role: merge (in a suite's defaults, a case, or a variant), and the "
        "system prompt goes before the first user turn: many templates know no system turn"
    )


def test_a_directory_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_tokenizer(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path}: the tokenizer cannot be loaded\n  found: ")
    assert str(caught.value).endswith(
        "\n  expected: tokenizer.json and tokenizer_config.json beside the model's weights"
        "\n  hint: copy the tokenizer files of the base model into this directory"
    )


def test_a_file_takes_the_place_of_the_model_s_own_template(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, None)
    (tmp_path / "plain.jinja").write_text(PLAIN)

    tokenizer = load_tokenizer(tmp_path, chat_template=tmp_path / "plain.jinja")

    assert tokenizer.text((USER,)) == (
        "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.template_hash == template_hash(PLAIN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            None,
            "{path}: there is no such chat template\n"
            "  expected: a Jinja file, such as chat_template.jinja",
        ),
        ("  \n", "{path}: is an empty chat template\n  hint: write one, or leave it out"),
        (
            "{%- for message in messages %}\n{{- message.content }}\n{%- endif %}",
            "{path}:3: is no chat template: Encountered unknown tag 'endif'. Jinja was looking "
            "for the following tags: 'endfor' or 'else'. The innermost block that needs to be "
            "closed is 'for'.",
        ),
    ],
)
def test_a_file_that_is_no_template_is_an_input_error(
    tmp_path: Path, text: str | None, message: str
) -> None:
    save_tokenizer(tmp_path)
    path = tmp_path / "own.jinja"
    if text is not None:
        path.write_text(text)

    with pytest.raises(InputError) as caught:
        load_tokenizer(tmp_path, chat_template=path)

    assert str(caught.value) == message.format(path=path)


PARTS_ONLY = (
    "{%- for message in messages %}{% if message.content is not string %}"
    "{%- for part in message.content %}{{ part.text }}{% endfor %}{% endif %}{% endfor %}[answer]"
)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (PARTS_ONLY, "the chat template leaves out message 1, of role user"),
        (
            "{% set n = 1 / 0 %}",
            "the chat template refuses these messages: ZeroDivisionError: division by zero",
        ),
        (
            "{{ messages[0].content + 1 }}",
            "the chat template refuses these messages: TypeError: "
            'can only concatenate str (not "int") to str',
        ),
    ],
)
def test_a_template_that_loses_content_or_breaks_is_an_input_error(
    template: str, said: str, tmp_path: Path
) -> None:
    tokenizer = tokenizer_with(template, tmp_path)

    with pytest.raises(InputError) as raised:
        tokenizer.token_ids((USER,))

    (problem,) = raised.value.problems
    assert problem.message == said
    assert problem.path == str(tmp_path)
    # Nothing is said of turns that the model does not know: there is one of a user alone.
    assert problem.hint.startswith("use a template" if "out" in said else "the template itself")


def test_reasoning_and_space_around_a_content_may_be_left_out(tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.content.split('</think>')[-1] | trim }};{% endfor %}"
    tokenizer = tokenizer_with(template, tmp_path)
    talk = (Message("user", " Hi \n"), Message("assistant", "<think>zzz</think>there"), USER)

    assert tokenizer.text(talk) == "Hi;there;Hi there;"
    assert tokenizer.token_ids(talk)


def test_the_date_in_a_prompt_is_the_same_on_every_day(tmp_path: Path) -> None:
    template = "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}"
    save_tokenizer(tmp_path, template)

    built = load_tokenizer(tmp_path, cache_dir=tmp_path / "cache")
    kept = load_tokenizer(tmp_path, cache_dir=tmp_path / "cache")

    assert built.text((USER,)) == kept.text((USER,)) == "26 Jul 2024 Hi there"


@pytest.mark.parametrize("name", TOKENIZER_FILES)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[" * 100_000, "not valid JSON: more than 100 levels"),
        ('{"a": NaN}', ":1:7: not valid JSON: NaN is no JSON number"),
        ('{"a": ' + "9" * 5_000 + "}", "not valid JSON: a number of more than 1,000 digits"),
    ],
)
def test_a_broken_file_of_a_tokenizer_is_told_with_its_place(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    shutil.copytree(ROOT / "fixtures" / "model", tmp_path / "model")
    (tmp_path / "model" / name).write_text(text)

    with pytest.raises(InputError, match=f"{name}.*{re.escape(said)}"):
        load_tokenizer(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("added_tokens.json", {"a": []}),
        ("added_tokens.json", {"a": "b", "c": 1}),
        ("tokenizer.json", {"model": {}, "added_tokens": 7}),
        ("tokenizer_config.json", {"tokenizer_class": ["x"], "added_tokens_decoder": 3}),
    ],
)
def test_whatever_breaks_a_tokenizer_is_an_input_error(
    tmp_path: Path, name: str, value: object
) -> None:
    shutil.copytree(ROOT / "fixtures" / "model", tmp_path / "model")
    (tmp_path / "model" / name).write_text(json.dumps(value))

    with pytest.raises(InputError, match="the tokenizer cannot be loaded"):
        load_tokenizer(tmp_path / "model")


def test_a_setting_that_a_library_would_print_as_it_is_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "fixtures" / "model", tmp_path / "model")
    file = tmp_path / "model" / "tokenizer_config.json"
    told = json.loads(file.read_text())
    told["added_tokens_decoder"] = {"0": {"content": "<x>", "\x1b[31mred": 1}}
    file.write_text(json.dumps(told))

    with pytest.raises(InputError, match=r"would act on a terminal: '\\x1b\[31mred'"):
        load_tokenizer(tmp_path / "model")

    assert "\x1b" not in "".join(capfd.readouterr())
