"""Chat templates: where they are read, and what they make of a conversation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gguf_bytes import ARRAY, SMALL, STRING, U32, gguf_file

from grid.errors import InputError
from grid.models.chat import ChatTemplate, read_chat_template

TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
PROMPTED = TURNS + "{% if add_generation_prompt %}<assistant>{% endif %}"
HELLO = [{"role": "user", "content": "Hello"}]


def render(text: str, messages: list[dict[str, str]] | None = None, **special: str) -> str:
    return ChatTemplate(text, "test", special).render(HELLO if messages is None else messages)


def gguf(path: Path, *entries: tuple[str, int, object]) -> Path:
    path.write_bytes(gguf_file([*SMALL, *entries]))
    return path


def folder(path: Path, **files: object) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        file = path / name.replace("__", ".")
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_gguf_metadata_hold_template_and_special_tokens(tmp_path: Path) -> None:
    path = gguf(
        tmp_path / "m.gguf",
        ("tokenizer.chat_template", STRING, "{{ bos_token }}|{{ eos_token }}|" + PROMPTED),
        ("tokenizer.ggml.bos_token_id", U32, 2),
        ("tokenizer.ggml.eos_token_id", U32, 0),
    )
    template = read_chat_template(path)
    assert template is not None
    assert template.render(HELLO) == "c|a|<user>Hello<assistant>"


def test_an_id_beyond_the_vocabulary_is_no_token(tmp_path: Path) -> None:
    path = gguf(
        tmp_path / "m.gguf",
        ("tokenizer.chat_template", STRING, "{{ bos_token }}" + TURNS),
        ("tokenizer.ggml.bos_token_id", U32, 3),
    )
    template = read_chat_template(path)
    assert template is not None
    assert template.render(HELLO) == "<user>Hello"


def test_a_complete_conversation_begins_no_turn() -> None:
    turns = [*HELLO, {"role": "assistant", "content": "Hi"}]
    assert ChatTemplate(PROMPTED, "test").render(turns, complete=True) == "<user>Hello<assistant>Hi"


def test_of_named_gguf_templates_the_default_counts(tmp_path: Path) -> None:
    names = ("tokenizer.chat_templates", ARRAY, (STRING, ["default", "tool_use"]))
    path = gguf(
        tmp_path / "m.gguf",
        names,
        ("tokenizer.chat_template.default", STRING, TURNS),
        ("tokenizer.chat_template.tool_use", STRING, "tools"),
    )
    template = read_chat_template(path)
    assert template is not None
    assert template.text == TURNS


def test_a_model_without_a_template_has_none(tmp_path: Path) -> None:
    assert read_chat_template(gguf(tmp_path / "m.gguf")) is None
    assert read_chat_template(folder(tmp_path / "f", tokenizer_config__json={})) is None
    assert read_chat_template(tmp_path / "m.other") is None


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"tokenizer_config__json": {"chat_template": "config"}}, "config"),
        (
            {
                "tokenizer_config__json": {
                    "chat_template": [
                        {"name": "tool_use", "template": "tools"},
                        {"name": "default", "template": "named"},
                    ]
                }
            },
            "named",
        ),
        ({"chat_template__json": {"chat_template": "json"}}, "json"),
        (
            {"chat_template__jinja": "jinja", "tokenizer_config__json": {"chat_template": "no"}},
            "jinja",
        ),
    ],
)
def test_a_folder_keeps_it_in_one_of_three_files(
    tmp_path: Path, files: dict[str, object], text: str
) -> None:
    template = read_chat_template(folder(tmp_path / "f", **files))
    assert template is not None
    assert template.text == text


def test_a_folders_special_tokens_may_be_objects(tmp_path: Path) -> None:
    settings = {
        "chat_template": "{{ bos_token }}{{ eos_token }}",
        "bos_token": {"content": "<s>", "lstrip": False},
        "eos_token": "</s>",
    }
    template = read_chat_template(folder(tmp_path / "f", tokenizer_config__json=settings))
    assert template is not None
    assert template.render(HELLO) == "<s></s>"


def test_named_templates_without_a_default_are_an_error(tmp_path: Path) -> None:
    settings = {"chat_template": [{"name": "rag", "template": "x"}]}
    with pytest.raises(InputError, match=r"tokenizer_config\.json: no chat template is called def"):
        read_chat_template(folder(tmp_path / "f", tokenizer_config__json=settings))


def test_a_reply_begins_the_assistants_turn() -> None:
    text = ChatTemplate(PROMPTED, "test").render(HELLO, "Sure: ")
    assert text == "<user>Hello<assistant>Sure: "


def test_blocks_take_their_line_with_them() -> None:
    assert render("{% if true %}\n  {% if true %}\nx\n  {% endif %}\n{% endif %}") == "x\n"


def test_json_is_not_escaped_for_html() -> None:
    assert render("{{ {'a': '<é>'} | tojson }}") == '{"a": "<é>"}'


def test_generation_tags_show_what_they_hold() -> None:
    assert render("a{% generation %}b{% endgeneration %}c") == "abc"


def test_the_date_is_always_the_same() -> None:
    assert render("{{ strftime_now('%d %b %Y') }}") == "26 Jul 2024"


def test_a_refused_system_message_goes_to_the_users_first() -> None:
    refusing = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + TURNS
    )
    messages = [{"role": "system", "content": "Be brief."}, *HELLO]
    assert render(refusing, messages) == "<user>Be brief.\n\nHello"


def test_a_conversation_that_is_refused_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^test: the chat template fails: roles must alternate$"):
        render("{{ raise_exception('roles must\n alternate') }}")


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ 1 / 0 }}",
        "{% if %}",
        "{{ messages[0].content.nothing.at_all }}",
    ],
)
def test_a_hostile_or_broken_template_is_an_input_error(template: str) -> None:
    with pytest.raises(InputError, match="the chat template fails"):
        render(template)
