"""Nuke's expressions and the Tcl in brackets."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
from stand_in.errors import ExpressionError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("7 % 4", 3),
        ("1 < 2 && 2 <= 2", 1),
        ("!1 || 0", 0),
        ("3 == 3 ? 10 : 20", 10),
        ("0 ? 1 : 0 ? 2 : 3", 3),
        ("1e-3 + .5", 0.501),
        ("clamp(5)", 1),
        ("clamp(5, 0, 3)", 3),
        ("max(1, 4, 2) - min(3, 2)", 2),
        ("pow(2, 3) + pow2(3)", 17),
        ("rint(2.5) + floor(-1.5) + ceil(0.2) + int(-1.9)", 1),
        ("lerp(10, 20, .25)", 12.5),
        ("step(.5, .6) + step(.5, .4)", 1),
        ("smoothstep(0, 1, .5)", 0.5),
        ("hypot(3, 4) + abs(-1)", 6),
        ("atan2(1, 1) * 4", math.pi),
        ("degrees(pi)", 180),
        ("log(exp(2)) + log10(100) + sqrt(16)", 8),
        ("fmod(7.5, 2)", 1.5),
        ("frame + t + x", 30),
        ("isnan(sqrt(-1))", 1),
        ("from_sRGB(to_sRGB(.3))", 0.3),
        ("1 / 0 > 5", 1),
    ],
)
def test_arithmetic(nuke: ModuleType, text: str, value: float) -> None:
    nuke.frame(10)
    node = nuke.nodes.NoOp()
    knob = nuke.Double_Knob("v")
    node.addKnob(knob)
    try:
        knob.setExpression(text)
        assert knob.value() == pytest.approx(value)
    except ZeroDivisionError:
        pytest.fail("division by zero is infinite, not an error")


def test_random_numbers_repeat_and_stay_in_range(nuke: ModuleType) -> None:
    values = [nuke.expression(f"random({seed}, 3)") for seed in range(50)]
    assert values == [nuke.expression(f"random({seed}, 3)") for seed in range(50)]
    assert 0 <= min(values) < max(values) < 1
    assert len(set(values)) == 50


@pytest.mark.parametrize(
    "text", ["nothing", "parent.nothing", "sine(3)", "Blur1", "clamp()", "1 +", "a = 3", "(1", "'x'"]
)
def test_what_does_not_exist_or_does_not_parse_raises(nuke: ModuleType, text: str) -> None:
    node = nuke.nodes.Blur(name="Blur1")
    node["size"].setExpression(text)
    with pytest.raises(ExpressionError):
        node["size"].value()


@pytest.fixture
def scene(nuke: ModuleType) -> dict[str, Any]:
    """A group with a knob, fed by a Constant, with two nodes inside."""
    nuke.addFormat("320 200 0 0 320 200 1 tiny")
    nuke.root()["format"].setValue("tiny")
    source = nuke.nodes.Constant(name="Source", channels="rgb")
    group = nuke.nodes.Group(name="G")
    group.addKnob(nuke.Double_Knob("amount"))
    group["amount"].setValue(6)
    with group:
        entry = nuke.nodes.Input(name="Plate")
        soft = nuke.nodes.Blur(name="Soft", inputs=[entry])
        other = nuke.nodes.Transform(name="Move", inputs=[soft])
        nuke.nodes.Output(inputs=[other])
    group.setInput(0, source)
    return {"group": group, "soft": soft, "move": other, "source": source}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("parent.amount", 6),
        ("amount", 6),
        ("parent.Move.translate.y", 4),
        ("Move.translate.x + Move.translate.y", 7),
        ("root.G.amount", 6),
        ("G.amount", 6),
        ("root.first_frame", 1),
        ("input.width", 320),
        ("parent.input.height", 200),
        ("root.width", 320),
        ("root.format.h", 200),
        ("parent.input0.format.r", 320),
        ("Source.color.r * 2", 1),
        ("quality", 15),
        ("this.quality", 15),
        ("Move.translate.0", 3),
        ("[value parent.amount]", 6),
        ("[exists parent.input]", 1),
        ("[exists parent.input1]", 0),
        ("[if {[value amount] > 3} {return 2} else {return 1}]", 2),
        ("[python {nuke.toNode('G')['amount'].value() + 1}]", 7),
        ("[python -execlocal {a = 3\nret = a * 2}]", 6),
        ("![exists parent.input1]", 1),
        ("channels ? 8 : 9", 8),
        ("!maskChannelInput", 1),
        ("1 / root.name", None),
        ("[lsearch {left main} [view]]", 1),
    ],
)
def test_names_are_found_as_documented(scene: dict[str, Any], text: str, value: float | None) -> None:
    scene["move"]["translate"].setValue([3, 4])
    scene["source"]["color"].setValue([0.5, 0, 0, 0])
    scene["soft"]["size"].setExpression(text, 0)
    if value is None:
        with pytest.raises(ExpressionError, match="is no number"):
            scene["soft"]["size"].value(0)
    else:
        assert scene["soft"]["size"].value(0) == pytest.approx(value)


def test_text_that_is_a_number_counts_as_one(nuke: ModuleType) -> None:
    nuke.nodes.Expression(name="E", temp_expr0="0.25")
    assert nuke.expression("1 / E.temp_expr0") == 4


def test_a_knob_is_read_at_another_frame(scene: dict[str, Any]) -> None:
    scene["move"]["rotate"].setExpression("frame * 10")
    scene["soft"]["size"].setExpression("Move.rotate(frame - 1)", 0)
    assert scene["soft"]["size"].valueAt(5, 0) == 40


def test_the_keys_below_an_expression_are_y(nuke: ModuleType) -> None:
    knob = nuke.nodes.Blur()["size"]
    knob.fromScript("{{curve*2 x1 5 x2 7} 0}")
    assert [knob.valueAt(frame, 0) for frame in (1, 2)] == [10, 14]


def test_an_expression_that_depends_on_itself_raises(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur(name="B")
    node["size"].setExpression("B.size.h", 0)
    node["size"].setExpression("B.size.w", 1)
    with pytest.raises(ExpressionError, match="depends on itself"):
        node["size"].value()


def test_a_deleted_input_is_no_longer_there(nuke: ModuleType, scene: dict[str, Any]) -> None:
    nuke.delete(scene["source"])
    scene["soft"]["disable"].setExpression("![exists parent.input]")
    assert scene["soft"]["disable"].value() is True


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("size [value size] of [value name]", "size 4 of B"),
        ('[expr {[value size] == 4 ? "yes" : "no"}]', "yes"),
        ("[if {[value size] > 3} {return big} {return small}]", "big"),
        ("[if {[value disable]} {return off} else {concat on now}]", "on now"),
        ("[string toupper [value filter]]", "GAUSSIAN"),
        ("[file tail /a/b/c.exr] [file rootname c.exr] [file dirname /a/b]", "c.exr c /a"),
        ("[lindex {a b c} 1][format %03d 7]", "b007"),
        ("[set v 3; expr $v * 2]", "6"),
        ("[class this] [frame]", "Blur 1"),
        ("[value nothing fallback]", "fallback"),
        ("[knob size]", "4"),
        ("[python {'a' + 'b'}]", "ab"),
        ("\\[not a command\\]", "[not a command]"),
        ("plain", "plain"),
    ],
)
def test_tcl_in_labels(nuke: ModuleType, text: str, result: str) -> None:
    node = nuke.nodes.Blur(name="B", size=4)
    node["label"].setValue(text)
    assert node["label"].evaluate() == result


@pytest.mark.parametrize("text", ["[value nothing]", "[frobnicate]", "[value size", "[expr {1 +}]"])
def test_tcl_that_nuke_would_refuse_raises(nuke: ModuleType, text: str) -> None:
    node = nuke.nodes.Blur(name="B")
    node["label"].setValue(text)
    with pytest.raises(ExpressionError):
        node["label"].evaluate()


def test_python_evaluates_expressions_and_tcl(nuke: ModuleType) -> None:
    nuke.nodes.Blur(name="B", size=3)
    assert nuke.expression("B.size.w + 1") == 4
    assert nuke.tcl("value B.size") == "3"
    assert nuke.value("B.name") == "B"
    assert nuke.numvalue("B.size.h") == 3
    assert nuke.numvalue("B.nothing", 5) == 5


def test_dependencies_come_from_pipes_expressions_and_links(nuke: ModuleType) -> None:
    source, driver = nuke.nodes.Constant(name="C"), nuke.nodes.Blur(name="Driver")
    node = nuke.nodes.Blur(name="N", inputs=[source])
    node["size"].setExpression("Driver.size", 0)
    link = nuke.Link_Knob("l")
    node.addKnob(link)
    link.setLink("Driver.quality")
    assert node.dependencies(nuke.INPUTS) == [source]
    assert node.dependencies(nuke.EXPRESSIONS) == [driver]
    assert node.dependencies(nuke.LINKINPUTS) == [driver]
    assert node.dependencies() == [source, driver]
    assert driver.dependent() == [node]
