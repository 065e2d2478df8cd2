"""Reading what Node.writeKnobs gives."""

from __future__ import annotations

import pytest

from host_scene import Scene


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size 7\nmix 0.5", {"size": "7", "mix": "0.5"}),
        ('label "two words"\nsize {{curve x1 0 x10 1}}', {"label": '"two words"', "size": "{{curve x1 0 x10 1}}"}),
        (
            "curves {{{v x3f99999a}\n  {f 0}\n  {n\n   {layer Root}}}}\nsize 3",
            {"curves": "{{{v x3f99999a}\n  {f 0}\n  {n\n   {layer Root}}}}", "size": "3"},
        ),
        ('message "a \\" quote\nsecond line"\nsize 3', {"message": '"a \\" quote\nsecond line"', "size": "3"}),
        ("message \\{\nsize 3", {"message": "\\{", "size": "3"}),
        ("", {}),
    ],
)
def test_entries_are_split_where_values_end(terminal: Scene, text: str, expected: dict[str, str]) -> None:
    assert dict(terminal.host("knob_text").entries(text)) == expected


def test_only_knobs_that_shape_the_picture_remain(terminal: Scene) -> None:
    node = terminal.nuke.nodes.Blur(size=7, label="soft", tile_color=0x112233FF, xpos=40, name="Weich")
    assert terminal.host("knob_text").shaping_knobs(node) == {"size": "7"}


def test_reloading_a_read_is_no_change(terminal: Scene) -> None:
    node = terminal.plate()
    before = terminal.host("knob_text").shaping_knobs(node)
    node["reload"].execute()
    assert terminal.host("knob_text").shaping_knobs(node) == before
    assert "file" in before
