"""A short way to write down the knobs of a node class: one call per knob, with its default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import knob_arrays, knob_channels, knob_choices, knob_texts, knob_vectors, knobs
from .knobs import Knob


@dataclass(frozen=True)
class Spec:
    """One built-in knob of a class: its name and how to make it."""

    name: str
    make: Callable[[], Knob]


def _array(cls: Any, name: str, default: Any, flags: int = 0) -> Spec:
    def make() -> Knob:
        knob = cls(name, name)
        numbers = list(default) if isinstance(default, (list, tuple)) else [default] * len(knob._channels)
        for i, number in enumerate(numbers):
            knob._channels[i].value = float(number)
            knob._defaults[i] = float(number)
        knob._flags |= flags
        return knob

    return Spec(name, make)


def double(name: str, default: float = 0.0) -> Spec:
    return _array(knob_arrays.Double_Knob, name, default)


def integer(name: str, default: int = 0) -> Spec:
    return _array(knob_arrays.Int_Knob, name, default)


def boolean(name: str, default: bool = False) -> Spec:
    return _array(knob_arrays.Boolean_Knob, name, float(default))


def disable(name: str = "disable") -> Spec:
    return _array(knob_arrays.Disable_Knob, name, 0.0)


def wh(name: str, default: float | Sequence[float] = 0.0) -> Spec:
    return _array(knob_vectors.WH_Knob, name, default)


def scale(name: str, default: float | Sequence[float] = 1.0) -> Spec:
    return _array(knob_vectors.Scale_Knob, name, default)


def xy(name: str, default: Sequence[float] = (0.0, 0.0)) -> Spec:
    return _array(knob_vectors.XY_Knob, name, default)


def xyz(name: str, default: Sequence[float] = (0.0, 0.0, 0.0)) -> Spec:
    return _array(knob_vectors.XYZ_Knob, name, default)


def uv(name: str, default: Sequence[float] = (0.0, 0.0)) -> Spec:
    return _array(knob_vectors.UV_Knob, name, default)


def box(name: str, default: Sequence[float] = (0.0, 0.0, 0.0, 0.0)) -> Spec:
    return _array(knob_vectors.BBox_Knob, name, default)


def color(name: str, default: float | Sequence[float] = 0.0) -> Spec:
    return _array(knob_vectors.Color_Knob, name, default)


def acolor(name: str, default: float | Sequence[float] = 0.0) -> Spec:
    return _array(knob_vectors.AColor_Knob, name, default)


def chip(name: str, default: int = 0) -> Spec:
    return _array(knob_vectors.ColorChip_Knob, name, default)


def matrix(name: str, numbers: Sequence[float]) -> Spec:
    def make() -> Knob:
        knob = knob_vectors.Matrix_Knob(name, name, len(numbers))
        for channel, number in zip(knob._channels, numbers, strict=True):
            channel.value = float(number)
        knob._defaults = [float(number) for number in numbers]
        return knob

    return Spec(name, make)


def enum(
    name: str, values: Sequence[str], default: str | None = None, cls: Any = knob_choices.Enumeration_Knob
) -> Spec:
    def make() -> Knob:
        knob = cls(name, name, list(values))
        index = list(values).index(default) if default is not None else 0
        knob._channels[0].value = knob._defaults[0] = float(index)
        return knob

    return Spec(name, make)


def colorspace(name: str, default: str = "default") -> Spec:
    values = ["default", "linear", "sRGB", "rec709", "Cineon", "Gamma1.8", "Gamma2.2", "AlexaV3LogC", "raw"]
    if default not in values:
        values.insert(0, default)
    return enum(name, values, default, knob_choices.Colorspace_Knob)


def _plain(cls: Any, name: str, *arguments: Any) -> Spec:
    return Spec(name, lambda: cls(name, name, *arguments))


def string(name: str, default: str = "") -> Spec:
    return _plain(knob_texts.String_Knob, name, default)


def evaluated(name: str, default: str = "") -> Spec:
    return _plain(knob_texts.EvalString_Knob, name, default)


def multiline(name: str, default: str = "") -> Spec:
    return _plain(knob_texts.Multiline_Eval_String_Knob, name, default)


def python(name: str) -> Spec:
    return _plain(knob_texts.PythonKnob, name, "")


def file(name: str) -> Spec:
    return _plain(knob_texts.File_Knob, name)


def text(name: str) -> Spec:
    return _plain(knob_texts.Text_Knob, name)


def button(name: str, script: str = "") -> Spec:
    return _plain(knob_texts.Script_Knob, name, script)


def channel(name: str, default: str = "none") -> Spec:
    return _channels(knob_channels.Channel_Knob, name, default)


def mask(name: str, default: str = "all") -> Spec:
    return _channels(knob_channels.ChannelMask_Knob, name, default)


def _channels(cls: Any, name: str, default: str) -> Spec:
    def make() -> Knob:
        knob = cls(name, name)
        knob._value = knob._initial = default
        return knob

    return Spec(name, make)


def format(name: str) -> Spec:
    return _plain(knob_channels.Format_Knob, name)


def font(name: str) -> Spec:
    return _plain(knob_channels.Font_Knob, name)


def axis(name: str) -> Spec:
    return _plain(knob_vectors.Axis_Knob, name)


def views(name: str) -> Spec:
    return _plain(knob_channels.MultiView_Knob, name)


def kept(name: str) -> Spec:
    """A knob that exists, but whose kind the stand-in does not know: its text is kept."""
    return _plain(knobs.Unsupported_Knob, name)
