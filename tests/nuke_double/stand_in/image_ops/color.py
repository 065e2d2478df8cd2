"""Color nodes: pixel by pixel, never clamped unless a knob says so."""

from __future__ import annotations

import numpy as np

from ..errors import NotEvaluated
from ..image import Image
from ..operator import RGBA, Op

LUMA = {
    "Rec 709": (0.2125, 0.7154, 0.0721),
    "Ccir 601": (0.299, 0.587, 0.114),
    "Average": (1 / 3, 1 / 3, 1 / 3),
}


def multiply(op: Op) -> Image:
    value = op.color("value")
    return _each(op, lambda pixels, name: pixels * np.float32(value(name)))


def add(op: Op) -> Image:
    value = op.color("value")
    return _each(op, lambda pixels, name: pixels + np.float32(value(name)))


def gamma(op: Op) -> Image:
    value = op.color("value")
    return _each(op, lambda pixels, name: power(pixels, value(name)))


def power(pixels: np.ndarray, gamma_value: float) -> np.ndarray:
    """pixels ** (1 / gamma); zero and below stay as they are."""
    if gamma_value == 1.0 or gamma_value == 0.0:
        return pixels
    with np.errstate(all="ignore"):
        return np.where(pixels > 0, np.power(np.maximum(pixels, 0), np.float32(1.0 / gamma_value)), pixels)


def grade(op: Op) -> Image:
    """gain × x + lift, then gamma; black_clamp is on by default, as in Nuke."""
    knobs = {
        name: op.color(name) for name in ("blackpoint", "whitepoint", "black", "white", "multiply", "add", "gamma")
    }
    reverse, low, high = op.flag("reverse"), op.flag("black_clamp"), op.flag("white_clamp")

    def change(pixels: np.ndarray, name: str) -> np.ndarray:
        v = {knob: value(name) for knob, value in knobs.items()}
        gain = v["multiply"] * (v["white"] - v["black"]) / ((v["whitepoint"] - v["blackpoint"]) or 1e-6)
        lift = v["add"] + v["black"] - gain * v["blackpoint"]
        if reverse:
            pixels = power(pixels, 1.0 / v["gamma"] if v["gamma"] else 0.0)
            pixels = (pixels - np.float32(lift)) / np.float32(gain or 1.0)
        else:
            pixels = power(pixels * np.float32(gain) + np.float32(lift), v["gamma"])
        if low:
            pixels = np.maximum(pixels, 0)
        return np.minimum(pixels, 1) if high else pixels

    return _each(op, change)


def saturation(op: Op) -> Image:
    mode, amount = op.choice("mode"), np.float32(op.number("saturation"))
    return _with_rgb(op, lambda rgb: saturated(rgb, amount, mode))


def saturated(rgb: list[np.ndarray], amount: float, mode: str = "Rec 709") -> list[np.ndarray]:
    luma = np.maximum(np.maximum(*rgb[:2]), rgb[2]) if mode == "Maximum" else luminance(rgb, mode)
    return [luma + (pixels - luma) * np.float32(amount) for pixels in rgb]


def luminance(rgb: list[np.ndarray], mode: str = "Rec 709") -> np.ndarray:
    return sum(np.float32(w) * pixels for w, pixels in zip(LUMA[mode], rgb, strict=True))  # type: ignore[return-value]


def hue_shift(op: Op) -> Image:
    """A rotation about the grey axis, and saturation about it. The axis knobs are known at their defaults only."""
    op.only_default("ingray", "color", "color_saturation", "brightness")
    angle, amount = np.radians(op.number("hue_rotation")), op.number("saturation")
    cos, sin = np.cos(angle) * amount, np.sin(angle) * amount

    def change(rgb: list[np.ndarray]) -> list[np.ndarray]:
        grey = (rgb[0] + rgb[1] + rgb[2]) / np.float32(3)
        off = [pixels - grey for pixels in rgb]
        turned = [(off[2] - off[1]), (off[0] - off[2]), (off[1] - off[0])]
        root = np.float32(1 / np.sqrt(3))
        return [grey + np.float32(cos) * o + np.float32(sin) * root * t for o, t in zip(off, turned, strict=True)]

    return _with_rgb(op, change)


def color_correct(op: Op) -> Image:
    """The master row: saturation, contrast about 0.18, gamma, gain, offset. The ranges must be at their defaults."""
    for band in ("shadows", "midtones", "highlights"):
        op.only_default(*[f"{band}.{name}" for name in ("saturation", "contrast", "gamma", "gain", "offset")])
    if "lookup" in op.node._knobs:
        op.only_default("lookup")
    knobs = {name: op.color(name) for name in ("saturation", "contrast", "gamma", "gain", "offset")}

    def change(rgb: list[np.ndarray]) -> list[np.ndarray]:
        luma = luminance(rgb)
        out = []
        for name, pixels in zip(RGBA[:3], rgb, strict=True):
            v = {knob: value(name) for knob, value in knobs.items()}
            pixels = luma + (pixels - luma) * np.float32(v["saturation"])
            if v["contrast"] != 1.0:
                with np.errstate(all="ignore"):
                    bent = np.float32(0.18) * np.power(np.maximum(pixels, 0) / np.float32(0.18), v["contrast"])
                pixels = np.where(pixels > 0, bent, pixels)
            out.append(power(pixels, v["gamma"]) * np.float32(v["gain"]) + np.float32(v["offset"]))
        return out

    return _with_rgb(op, change)


def invert(op: Op) -> Image:
    limit = op.flag("clamp")

    def change(pixels: np.ndarray, name: str) -> np.ndarray:
        out = np.float32(1) - pixels
        return np.clip(out, 0, 1) if limit else out

    return _each(op, change)


def clamp(op: Op) -> Image:
    low, high = op.color("minimum"), op.color("maximum")
    low_to, high_to = op.color("MinClampTo"), op.color("MaxClampTo")
    use_low, use_high = op.flag("minimum_enable"), op.flag("maximum_enable")
    other_low, other_high = op.flag("MinClampTo_enable"), op.flag("MaxClampTo_enable")

    def change(pixels: np.ndarray, name: str) -> np.ndarray:
        out = pixels
        if use_low:
            out = np.where(pixels < low(name), np.float32(low_to(name) if other_low else low(name)), out)
        if use_high:
            out = np.where(pixels > high(name), np.float32(high_to(name) if other_high else high(name)), out)
        return out

    return _each(op, change)


def color_matrix(op: Op) -> Image:
    rows = np.array(op.numbers("matrix")).reshape(3, 3)
    if op.flag("invert"):
        rows = np.linalg.inv(rows)

    def change(rgb: list[np.ndarray]) -> list[np.ndarray]:
        return [sum(np.float32(w) * p for w, p in zip(row, rgb, strict=True)) for row in rows]  # type: ignore[misc]

    return _with_rgb(op, change)


def _each(op: Op, change) -> Image:  # type: ignore[no-untyped-def]
    """By channel, divided by and multiplied back with the unpremult channel where one is set."""
    _refuse_luminance(op)
    divide = op.channel("unpremult") if "unpremult" in op.node._knobs else ""
    if not divide:
        return op.each("channels", change)
    alpha = op.image(0).array(divide)
    return op.each("channels", lambda pixels, name: _unpremultiplied(pixels, name, alpha, divide, change))


def _unpremultiplied(pixels, name, alpha, divide, change):  # type: ignore[no-untyped-def]
    if name == divide:
        return change(pixels, name)
    with np.errstate(all="ignore"):
        flat = np.where(alpha != 0, pixels / alpha, pixels)
        return np.where(alpha != 0, change(flat, name) * alpha, change(pixels, name))


def _with_rgb(op: Op, change) -> Image:  # type: ignore[no-untyped-def]
    """By pixel: red, green and blue of rgba together."""
    _refuse_luminance(op)
    if "unpremult" in op.node._knobs:
        op.only_default("unpremult")
    source = op.image(0)
    names = list(RGBA[:3])
    wanted = op.channels("channels", source) if "channels" in op.node._knobs else names
    others = [n for n in wanted if n not in RGBA and not n.endswith("alpha")]
    if others and op.wanted("channels") != ["all"]:
        raise NotEvaluated(f"{op.node.fullName()}: {op.node.Class()} is known for rgba only")
    out = source.with_()
    results = change([source.array(name) for name in names])
    for name, pixels in zip(names, results, strict=True):
        if name in wanted and name in source.channels:
            out.channels[name] = np.asarray(pixels, np.float32)
    return op.masked(source, out)


def _refuse_luminance(op: Op) -> None:
    op.only_default("mix_luminance", "enable_mix_luminance")


OPERATORS = {
    "Multiply": multiply,
    "Add": add,
    "Gamma": gamma,
    "Grade": grade,
    "Saturation": saturation,
    "HueShift": hue_shift,
    "ColorCorrect": color_correct,
    "Invert": invert,
    "Clamp": clamp,
    "ColorMatrix": color_matrix,
}
