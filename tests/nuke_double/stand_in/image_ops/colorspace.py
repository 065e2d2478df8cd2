"""Log2Lin and Colorspace: curves between linear light and the encodings that are known exactly."""

from __future__ import annotations

import numpy as np

from .. import functions
from ..errors import NotEvaluated
from ..image import Image
from ..operator import RGBA, Op


def log2lin(op: Op) -> Image:
    """The Cineon formula with its black, white and gamma."""
    black, white, gamma = op.number("black"), op.number("white"), op.number("gamma")
    back = op.choice("operation") == "lin2log"

    def change(pixels: np.ndarray, name: str) -> np.ndarray:
        return lin_to_cineon(pixels, black, white, gamma) if back else cineon_to_lin(pixels, black, white, gamma)

    return op.each("channels", change)


def cineon_to_lin(x: np.ndarray, black: float = 95.0, white: float = 685.0, gamma: float = 0.6) -> np.ndarray:
    low = 10 ** ((black - white) * 0.002 / gamma)
    return (np.power(10.0, (1023.0 * x.astype(np.float64) - white) * 0.002 / gamma) - low) / (1 - low)


def lin_to_cineon(x: np.ndarray, black: float = 95.0, white: float = 685.0, gamma: float = 0.6) -> np.ndarray:
    low = 10 ** ((black - white) * 0.002 / gamma)
    inside = np.maximum(x.astype(np.float64) * (1 - low) + low, 1e-10)
    return (np.log10(inside) * gamma / 0.002 + white) / 1023.0


def alexa_to_lin(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    line = (x - 0.092809) / 5.367655
    return np.where(x > 5.367655 * 0.010591 + 0.092809, (10 ** ((x - 0.385537) / 0.247190) - 0.052272) / 5.555556, line)


def lin_to_alexa(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    curve = 0.247190 * np.log10(np.maximum(5.555556 * x + 0.052272, 1e-10)) + 0.385537
    return np.where(x > 0.010591, curve, 5.367655 * x + 0.092809)


def _odd_power(exponent: float):  # type: ignore[no-untyped-def]
    return lambda x: np.sign(x) * np.power(np.abs(x), exponent)


CURVES = {  # name: (to linear, from linear)
    "Linear": (lambda x: x, lambda x: x),
    "sRGB": (functions.from_srgb, functions.to_srgb),
    "rec709": (functions.from_rec709, functions.to_rec709),
    "Cineon": (cineon_to_lin, lin_to_cineon),
    "Gamma1.8": (_odd_power(1.8), _odd_power(1 / 1.8)),
    "Gamma2.2": (_odd_power(2.2), _odd_power(1 / 2.2)),
    "AlexaV3LogC": (alexa_to_lin, lin_to_alexa),
}


def colorspace(op: Op) -> Image:
    op.only_default("illuminant_in", "illuminant_out", "primary_in", "primary_out", "bradford_matrix")
    source, target = op.choice("colorspace_in"), op.choice("colorspace_out")
    for name in (source, target):
        if name not in (*CURVES, "HSV"):
            raise NotEvaluated(f"{op.node.fullName()}: the stand-in does not know the colorspace {name}")
    image = op.image(0)
    rgb = [image.array(name) for name in RGBA[:3]]
    linear = hsv_to_rgb(rgb) if source == "HSV" else [CURVES[source][0](x) for x in rgb]
    result = rgb_to_hsv(linear) if target == "HSV" else [CURVES[target][1](x) for x in linear]
    wanted = op.channels("channels", image)
    out = image.with_()
    for name, pixels in zip(RGBA[:3], result, strict=True):
        if name in wanted:
            out.channels[name] = np.asarray(pixels, np.float32)
    return op.masked(image, out)


def rgb_to_hsv(rgb: list[np.ndarray]) -> list[np.ndarray]:
    """Hue 0 to 1, saturation and value."""
    r, g, b = (np.asarray(x, np.float64) for x in rgb)
    high, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    span = high - low
    with np.errstate(all="ignore"):
        hue = np.where(high == r, (g - b) / span % 6, np.where(high == g, (b - r) / span + 2, (r - g) / span + 4))
        return [np.where(span == 0, 0, hue / 6), np.where(high == 0, 0, span / high), high]


def hsv_to_rgb(hsv: list[np.ndarray]) -> list[np.ndarray]:
    h, s, v = (np.asarray(x, np.float64) for x in hsv)
    out = []
    for shift in (5, 3, 1):
        k = (shift + h * 6) % 6
        out.append(v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1))
    return out


OPERATORS = {"Log2Lin": log2lin, "Colorspace": colorspace}
