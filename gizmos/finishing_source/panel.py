"""The control panel of a finishing gizmo, made from the knob table that the headless tool uses."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from nk import quoted  # noqa: E402

from bipack.card import Knob  # noqa: E402
from bipack.finishing_knobs import KNOBS  # noqa: E402
from bipack.finishing_presets import PRESETS  # noqa: E402

GUARDED = (
    "try:\n    import bipack.host.{module} as bipack_{module}\nexcept ImportError:\n    {absent}\nelse:\n    {call}"
)
"""A callback that leaves a script alone where Bipack is not installed."""

BLUR_SIZE_TIP = (
    "Size of Nuke's Blur for a radius of one pixel. Leave it at 1. docs/finishing_to_check.md tells how to measure it."
)


def callback(module: str, call: str, absent: str = "pass") -> str:
    """Python for a knob or a button, quoted."""
    return quoted(GUARDED.format(module=module, absent=absent, call=f"bipack_{module}.{call}"))


class Panel:
    """Lines of user knobs, in order."""

    def __init__(self, tool: str, prefix: str = "") -> None:
        """Knobs of `tool`; their names, but not their labels, get the prefix."""
        self.tool = tool
        self.prefix = prefix
        self.lines: list[str] = []
        self._table = {knob.name: knob for knob in KNOBS[tool]}

    def tab(self, label: str) -> None:
        """Open the tab."""
        self.lines.append(f"addUserKnob {{20 {label}}}")

    def presets(self) -> None:
        """A menu of settings to start from."""
        names = ["none", *PRESETS[self.tool]]
        tip = "Sets the knobs below to something to start from. Other knobs stay."
        menu = " ".join(quoted(name) for name in names)
        self.lines.append(f'addUserKnob {{4 preset t {quoted(tip)} M {{{menu} ""}}}}')

    def divider(self, label: str) -> None:
        """A line with a heading."""
        name = label.replace(" ", "_") + "_divider"
        self.lines.append(f'addUserKnob {{26 {name} l {quoted(label)} T "" +STARTLINE}}')

    def group(self, label: str, names: Sequence[str], closed: bool = True) -> None:
        """Knobs in a group that opens and closes."""
        name = label.replace(" ", "_") + "_group"
        self.lines.append(f"addUserKnob {{20 {name} l {quoted(label)} n {2 if closed else 1}}}")
        self.knobs(*names)
        self.lines.append(f"addUserKnob {{20 end_{name} n -1}}")

    def knobs(self, *names: str) -> None:
        """Knobs of the table."""
        for name in names:
            self.lines += _knob(self._table[name], self.prefix)

    def row(self, *names: str) -> None:
        """Knobs of the table side by side."""
        for index, name in enumerate(names):
            first, *rest = _knob(self._table[name], self.prefix)
            self.lines += [first[:-1] + " -STARTLINE}" if index else first, *rest]

    def choice(self, name: str, values: Sequence[str], default: str) -> None:
        """A knob of the table with fewer choices than the headless tool has."""
        knob = self._table[name]
        self.lines += _enum(knob, values, default, self.prefix)

    def color(self, name: str) -> None:
        """A text of three numbers as a color knob."""
        knob = self._table[name]
        label = quoted(knob.label)
        self.lines += [f"addUserKnob {{18 {name} l {label} t {quoted(knob.tooltip)}}}", f"{name} {{{knob.default}}}"]

    def raw(self, *lines: str) -> None:
        """Lines as they are; `@` before a knob's name stands for the prefix."""
        self.lines += [re.sub(r"^(addUserKnob \{\d+ )?@", rf"\1{self.prefix}", line) for line in lines]

    def link(self, name: str, label: str, target: str, tooltip: str) -> None:
        """A knob of an inner node, shown on the panel."""
        self.lines.append(f"addUserKnob {{41 {name} l {quoted(label)} t {quoted(tooltip)} T {target}}}")

    def more(self, *names: str) -> None:
        """Knobs that are seldom touched, in a closed group at the end."""
        self.lines.append("addUserKnob {20 more l more n 2}")
        self.knobs(*names)
        self.calibration()
        self.lines.append("addUserKnob {20 end_more n -1}")

    def matte_channel(self) -> None:
        """Which channel of the matte input is the matte."""
        self.link("matte_channel", "matte channel", "PickMatte.from0", "Channel of the matte input that is the matte.")

    def calibration(self) -> None:
        """What a Blur's size means in this Nuke."""
        self.lines += [
            f"addUserKnob {{7 {self.prefix}blur_size l {quoted('blur size')} t {quoted(BLUR_SIZE_TIP)} R 0.5 2}}",
            f"{self.prefix}blur_size 1",
        ]


def _knob(knob: Knob, prefix: str) -> list[str]:
    if knob.type == "enum":
        return _enum(knob, knob.values, str(knob.default), prefix)
    kind = {"float": 7, "int": 3, "bool": 6, "string": 1}[knob.type]
    limits = "" if knob.minimum is None or knob.maximum is None else f" R {knob.minimum:g} {knob.maximum:g}"
    line = f"addUserKnob {{{kind} {prefix}{knob.name} l {quoted(knob.label)} t {quoted(knob.tooltip)}{limits}}}"
    value = str(knob.default).lower() if knob.type == "bool" else f"{knob.default:g}"
    return [line, f"{prefix}{knob.name} {value}"]


def _enum(knob: Knob, values: Sequence[str], default: str, prefix: str) -> list[str]:
    menu = " ".join(quoted(value) for value in values)
    line = f'addUserKnob {{4 {prefix}{knob.name} l {quoted(knob.label)} t {quoted(knob.tooltip)} M {{{menu} ""}}}}'
    return [line] if default == values[0] else [line, f"{prefix}{knob.name} {quoted(default)}"]


def group_text(name: str, help_text: str, color: str, panel: Panel, body: str, preset: bool = True) -> str:
    """The whole gizmo: a Group, so that a script with it renders where Bipack is not installed."""
    head = [
        "Group {",
        f" name {name}1",
        f" help {quoted(help_text)}",
        f" tile_color {color}",
        " note_font_color 0xffffffff",
    ]
    if preset:
        head.append(f" knobChanged {callback('presets', 'knob_changed(nuke.thisNode(), nuke.thisKnob())')}")
    head += [f" {line}" for line in panel.lines]
    head += [
        f" addUserKnob {{1 bipack_tool t {quoted('Marks this node as one of Bipack.')} +INVISIBLE}}",
        f" bipack_tool {name}",
        "}",
    ]
    return "\n".join(head) + "\n" + body + "end_group\n"
