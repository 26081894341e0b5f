"""A tokenizer that was kept gives the very tokens that transformers gives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.common import InputError, Message, Messages
from harness.prompts import load_tokenizer
from harness.prompts.chat_tokenizer import open_backing
from harness.prompts.kept import FOLDER, Backing, Kept, Transformers, keep
from harness.suites import Case, load_suites
from tests.backends.tiny import TEMPLATE, save_tokenizer
from tests.embedded import ROOT

MODEL = ROOT / "fixtures" / "model"
SUITES = sorted(str(path) for path in (ROOT / "suites").glob("*/*.yaml"))
USER = Message("user", "Hi there")
Pair = tuple[Backing, Backing]
PIECES = (
    "<|im_end|>",
    "<|im_start|>",
    "<s>",
    "</s>",
    "<0x0A>",
    "▁",
    "e\u0301",
    "ﬁ",
    "🙂\u200d",
    "\r\n",
)
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=6).map("".join)
talks = st.lists(texts, min_size=1, max_size=4)


def pair(model: Path, folder: Path) -> Pair:
    """What transformers builds, and what is kept of it."""
    first, second = open_backing(model, folder), open_backing(model, folder)
    assert isinstance(first, Transformers) and isinstance(second, Kept)
    return first, second


def save_llama(folder: Path) -> Path:
    """A tokenizer of Llama's class, which builds itself anew: bytes, spaces as ▁, two specials."""
    from transformers import LlamaTokenizer

    from tests.backends.tiny import SENTENCES

    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    words += sorted(set("".join(SENTENCES).replace(" ", "")))
    words += ["th", "the", "▁the", "in", "▁i", "er"]
    merges = [("t", "h"), ("th", "e"), ("▁", "the"), ("i", "n"), ("▁", "i"), ("e", "r")]
    kind: type = LlamaTokenizer
    vocab = {word: place for place, word in enumerate(words)}
    made = kind(vocab=vocab, merges=merges, add_bos_token=True)
    made.chat_template = (
        "{{ bos_token }}{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}"
    )
    made.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["embedded", "fast", "bos", "llama"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        return pair(MODEL, folder)
    if request.param == "llama":
        return pair(save_llama(folder / "model"), folder)
    save_tokenizer(folder / "model", TEMPLATE, bos=request.param == "bos")
    return pair(folder / "model", folder)


def conversation(case: Case) -> Iterator[Message]:
    """A case as it is asked in the end; the answers are made up."""
    if case.system is not None:
        yield Message("system", case.system)
    for turn in case.turns:
        yield from (Message("user", turn.user), Message("assistant", "As you say.\n"))


def test_every_case_of_the_shipped_suites_is_the_same_prompt(tmp_path: Path) -> None:
    built, kept = pair(MODEL, tmp_path)
    template = built.own_template or ""
    cases = [case for suite in load_suites(SUITES) for case in suite.cases]

    for case in cases:
        talk = tuple(conversation(case))[:-1]
        theirs = built.chat(template, talk, add_generation_prompt=True)
        assert kept.chat(template, talk, add_generation_prompt=True) == theirs, case.id
    assert len(cases) > 500


@given(talks)
def test_any_talk_is_the_same_prompt(both: Pair, said: list[str]) -> None:
    built, kept = both
    template = built.own_template or ""
    roles = ("system", "user", "assistant", "user")
    talk: Messages = tuple(Message(role, text) for role, text in zip(roles, said, strict=False))  # type: ignore[arg-type]

    for asked in (True, False):
        theirs = built.chat(template, talk, add_generation_prompt=asked)
        assert kept.chat(template, talk, add_generation_prompt=asked) == theirs


@given(texts)
def test_any_text_is_the_same_tokens_and_the_same_text_again(both: Pair, text: str) -> None:
    built, kept = both

    ids = built.encode(text)

    assert kept.encode(text) == ids
    assert kept.decode(ids) == built.decode(ids)


@given(st.lists(st.integers(0, 299), max_size=20))
def test_any_tokens_are_the_same_text(both: Pair, ids: list[int]) -> None:
    built, kept = both

    assert kept.decode(ids) == built.decode(ids)
    assert kept.eos_token_id == built.eos_token_id


def test_the_second_time_transformers_is_not_imported(tmp_path: Path) -> None:
    first = load_tokenizer(MODEL, cache_dir=tmp_path)
    code = (
        "import sys; from pathlib import Path; from harness.common.types import Message;"
        "from harness.prompts import load_tokenizer;"
        f"found = load_tokenizer(Path({str(MODEL)!r}), cache_dir=Path({str(tmp_path)!r}));"
        "print(found.token_ids((Message('user', 'Hi there'),)), found.template_hash);"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)

    assert done.stdout == f"{first.token_ids((USER,))} {first.template_hash}\nset()\n", done.stderr


def test_a_changed_file_of_the_model_is_another_tokenizer(tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model")
    pair(tmp_path / "model", tmp_path)
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ messages[0].content }}")

    changed = open_backing(tmp_path / "model", tmp_path)

    assert isinstance(changed, Transformers)
    assert changed.own_template == "{{ messages[0].content }}"


@pytest.mark.parametrize("name", ["tokenizer.json", "chat.json"])
def test_what_is_broken_is_built_anew(tmp_path: Path, name: str) -> None:
    save_tokenizer(tmp_path / "model")
    pair(tmp_path / "model", tmp_path)
    (file,) = (tmp_path / FOLDER).glob(f"*/{name}")
    file.write_text("{")

    assert isinstance(open_backing(tmp_path / "model", tmp_path), Transformers)
    assert isinstance(open_backing(tmp_path / "model", tmp_path), Kept)


def test_a_template_of_its_own_goes_with_what_is_kept(tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model")
    (tmp_path / "own.jinja").write_text("{{ bos_token }}{{ messages[0].content }}!")
    one, two = (
        load_tokenizer(tmp_path / "model", chat_template=tmp_path / "own.jinja", cache_dir=tmp_path)
        for _ in range(2)
    )

    assert two.text((USER,)) == one.text((USER,)) == "Hi there!"
    assert two.token_ids((USER,)) == one.token_ids((USER,))
    assert two.template_hash == one.template_hash


def test_messages_that_a_template_refuses_are_refused_alike(tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model", "{{ raise_exception('no ' + messages[0].role) }}")
    said = []
    for _ in range(2):
        tokenizer = load_tokenizer(tmp_path / "model", cache_dir=tmp_path)
        with pytest.raises(InputError) as caught:
            tokenizer.token_ids((USER,))
        said.append(str(caught.value))

    assert said[0] == said[1]
    assert said[0].splitlines()[0].endswith("the chat template refuses these messages: no user")


def test_a_tokenizer_that_is_told_to_split_special_tokens_is_not_kept(tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model")
    file = tmp_path / "model" / "tokenizer_config.json"
    file.write_text(file.read_text().replace("{", '{"split_special_tokens": true,', 1))

    for _ in range(2):
        assert isinstance(open_backing(tmp_path / "model", tmp_path), Transformers)


def test_a_class_with_ways_of_its_own_is_not_kept(tmp_path: Path) -> None:
    from transformers import WhisperTokenizer

    kind: type = WhisperTokenizer
    kind(vocab={"a": 0, "<|endoftext|>": 1}, merges=[]).save_pretrained(tmp_path / "model")

    for _ in range(2):
        assert isinstance(open_backing(tmp_path / "model", tmp_path), Transformers)


def test_a_tokenizer_with_parts_in_python_is_not_kept_and_still_used(tmp_path: Path) -> None:
    from tokenizers.pre_tokenizers import PreTokenizer

    class Whole:
        """Splits nothing."""

        def pre_tokenize(self, text: object) -> None:
            """Leave the text as it is."""

    save_tokenizer(tmp_path / "model")
    source = open_backing(tmp_path / "model")
    assert isinstance(source, Transformers)
    source.tokenizer.backend_tokenizer.pre_tokenizer = PreTokenizer.custom(Whole())

    keep(source, tmp_path / FOLDER / "new")

    assert list((tmp_path / FOLDER).iterdir()) == []


def test_the_eight_used_last_are_kept(tmp_path: Path) -> None:
    save_tokenizer(tmp_path / "model")
    for number in range(10):
        (tmp_path / "model" / "note.txt").write_text(str(number))
        pair(tmp_path / "model", tmp_path)

    assert len(list((tmp_path / FOLDER).iterdir())) == 8
