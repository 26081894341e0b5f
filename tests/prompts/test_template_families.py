"""The templates of today's models: our renderer gives what transformers gives, for each of them.

They are those that TRL ships: Qwen, Llama, gpt-oss, DeepSeek, Gemma, GLM, Cohere, Phi and others.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from harness.common import Message, Messages, ToolCall, as_dicts
from harness.prompts.kept import in_either_form
from harness.prompts.templates import render, today
from harness.scorers import declared_tool

TRL = find_spec("trl")
FOLDER = Path(str(TRL.origin)).parent / "chat_templates" if TRL else Path("none")
TEMPLATES = sorted(path.name for path in FOLDER.glob("*.jinja"))
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL = declared_tool(
    {
        "name": "get_time",
        "description": "Return the time.",
        "parameters": {
            "type": "object",
            "properties": {
                "zone": {"type": "string", "enum": ["a", "b"]},
                "count": {"type": ["integer", "null"], "default": 3},
            },
            "required": ["zone"],
        },
    }
)
SYSTEM, USER = Message("system", "Be brief. "), Message("user", "What time is it?\n")
THOUGHT = Message("assistant", "<think>\nhm\n</think>\n\nIt is late.")
CALL = Message("assistant", "", (ToolCall("get_time", {"zone": "a"}, "call00000"),))
RESULT = Message("tool", "09:40", tool_call_id="call00000", name="get_time")
TALKS: tuple[tuple[Messages, bool, dict[str, Any]], ...] = (
    ((SYSTEM, USER), False, {"enable_thinking": False}),
    ((SYSTEM, USER, THOUGHT, USER), False, {"reasoning_effort": "low"}),
    ((USER, CALL, RESULT), True, {}),
    ((USER, Message("assistant", "It is")), False, {}),  # an answer to go on with
)


@pytest.mark.skipif(not TEMPLATES, reason="trl ships no templates")
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_is_the_one_that_transformers_makes(name: str) -> None:
    template = (FOLDER / name).read_text(encoding="utf-8")
    made = 0
    for talk, calls, arguments in TALKS:
        tools = [TOOL] if calls else []
        given: Any = tools or None
        begun = talk[-1].role == "assistant"

        def theirs(*, written: bool) -> str:
            rows = as_dicts(talk, written=written)  # noqa: B023 - called at once
            more: Any = {"strftime_now": today, **SPECIAL, **arguments}  # noqa: B023 - as above
            found = render_jinja_template(
                [rows],
                tools=given,  # noqa: B023 - as above
                chat_template=template,
                add_generation_prompt=not begun,  # noqa: B023 - as above
                continue_final_message=begun,  # noqa: B023 - as above
                **more,
            )
            return str(found[0][0])

        def ours(*, written: bool) -> str:
            rows = as_dicts(talk, written=written)  # noqa: B023 - called at once
            return render(template, rows, SPECIAL, tools=tools, arguments=arguments)  # noqa: B023

        try:
            wanted = in_either_form(talk, theirs)
        except Exception:  # whatever a template refuses, it refuses ours as well
            with pytest.raises(Exception, match=r"."):
                in_either_form(talk, ours)
        else:
            made += 1
            assert in_either_form(talk, ours) == wanted
    assert made or name.startswith("llava")  # it takes parts of images and texts alone
