"""Pieces of graph about grain: its strength by luma, white noise from a formula, and the default measurements."""

from __future__ import annotations

import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import fragments as fr  # noqa: E402
from nk import Graph, Node, each, expression, linked  # noqa: E402

from bipack import grain_model  # noqa: E402
from bipack.imaging.finishing import white_noise  # noqa: E402

P, Q, BIAS = white_noise.P, white_noise.Q, white_noise.BIAS
DEFAULT_SIGMA = (0.006, 0.009, 0.011, 0.012, 0.012, 0.011, 0.009, 0.006)
"""Strength of a fine-grained plate at the knots, encoded values; blue is noisier."""

DEFAULT_SPREAD = 0.7
"""Grain size to start from: white noise blurred by a Gaussian of so many pixels."""


def hats() -> list[str]:
    """For every knot its weight at the luma in red: 1 at the knot, 0 at its neighbours; the ends go on flat."""
    knots = grain_model.KNOTS
    texts = []
    for index, knot in enumerate(knots):
        rising = f"(r-{knots[index - 1]:g})/{knot - knots[index - 1]:.6g}" if index else ""
        falling = f"({knots[index + 1]:g}-r)/{knots[index + 1] - knot:.6g}" if index + 1 < len(knots) else ""
        both = f"min({rising},{falling})" if rising and falling else rising + falling
        texts.append(f"clamp({both})")
    return texts


def sigma(graph: Graph, name: str, source: Node, column: int) -> Node:
    """Strength of the grain at the luma of `source`, from the knobs sigma0 to sigma7."""
    tone = graph.add(
        "Expression", f"{name}Tone", source, column=column, **expression(fr.LUMA.format(p=""), "0", "0", "0")
    )
    weights = hats()
    low = graph.add("Expression", f"{name}Low", tone, column=column, **expression(*weights[:4]))
    high = graph.add("Expression", f"{name}High", tone, column=column + 1, **expression(*weights[4:]))
    terms = [f"{side}{place}" for side in "AB" for place in "rgba"]
    total = "+".join(f"{term}*parent.sigma{k}.@*parent.sigma{k}.@" for k, term in enumerate(terms))
    return graph.add("MergeExpression", name, high, low, column=column, **each(f"sqrt({total})", "1"))


def constants(slots: tuple[int, ...]) -> dict[str, str]:
    """Numbers for the node Sizes that make each slot of the noise differ, frame by frame."""
    found = {}
    for slot in slots:
        found[f"p{slot}"] = f"fmod(1009*frame+331*parent.seed+{577 * slot},{P})"
        found[f"q{slot}"] = f"fmod(613*frame+47*parent.seed+{271 * slot + 5},{Q})"
    return found


def uniform(x: str, y: str, slot: int) -> str:
    """A number in (0, 1) for whole numbers `x` and `y`, the same as `imaging.finishing.white_noise.uniform`."""
    x, y = f"({x}+{BIAS})", f"({y}+{BIAS})"
    a = f"fmod(67*{x}+131*{y}+Sizes.p{slot},{P})"
    b = f"fmod({a}*{a}+89*{x}+Sizes.q{slot},{Q})"
    d = f"fmod({b}*{b}+97*{y}+{a},{P})"
    return f"((fmod({d}*{d}+{b},{Q})+0.5)/{Q})"


def white(graph: Graph, like: Node, column: int) -> Node:
    """White noise in red, green and blue, also a little beyond the box of `like`."""
    wide = graph.add("AdjBBox", "NoiseBox", like, column=column, numpixels=str(2 * grain_model.ROWS))
    texts = []
    for channel in range(3):
        radius = f"sqrt(-2*log({uniform('floor(x)', 'floor(y)', 2 * channel)}))"
        texts.append(f"{radius}*cos({2 * math.pi:.10g}*{uniform('floor(x)', 'floor(y)', 2 * channel + 1)})")
    return graph.add("Expression", "WhiteNoise", wide, column=column, **expression(*texts, "1"))


def clumped(graph: Graph, noise: Node, like: Node, column: int) -> Node:
    """White noise as the measured model clumps it; the Measure button sets these nodes' matrices."""
    rows = matrix_of(default_response())
    node = noise
    for name in ("red", "green", "blue"):
        node = graph.add("Matrix", f"Clump_{name}", node, column=column, channels=f"{{rgba.{name}}}", matrix=rows)
    mixed = graph.add(
        "ColorMatrix",
        "GrainMix",
        node,
        column=column,
        matrix="{\n    {1 0 0}\n    {0 1 0}\n    {0 0 1}\n  }",
    )
    return graph.add("CopyBBox", "Synthetic", mixed, like, column=column)


def default_response() -> list[list[float]]:
    """Response of the default grain: a Gaussian's correlation is a Gaussian of sqrt 2 its width."""
    correlation = {lag: math.exp(-(lag[0] ** 2 + lag[1] ** 2) / (4 * DEFAULT_SPREAD**2)) for lag in grain_model.LAGS}
    return grain_model.response(grain_model.autoregression(correlation))


def matrix_of(response: list[list[float]]) -> str:
    """A Matrix node's knob value for a response."""
    rows = grain_model.matrix_rows(response)
    return "{\n" + "\n".join("    {" + " ".join(f"{value:.7g}" for value in row) + "}" for row in rows) + "\n  }"


def sigma_knobs() -> list[str]:
    """User knobs of the strength curve."""
    lines = []
    for index, (knot, strength) in enumerate(zip(grain_model.KNOTS, DEFAULT_SIGMA)):
        tip = f"Strength of the grain where the luma is {knot:g}, as seen. Measure fills it in."
        lines.append(f'addUserKnob {{18 @sigma{index} l "at luma {knot:g}" t "{tip}" R 0 0.1}}')
        lines.append(f"@sigma{index} {{{strength:g} {strength:g} {1.3 * strength:g}}}")
    return lines


__all__ = ["clumped", "constants", "linked", "sigma", "sigma_knobs", "uniform", "white"]
