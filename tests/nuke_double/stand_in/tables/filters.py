"""Filter menu. What a size means in pixels is written down in image_ops/kernels.py."""

from __future__ import annotations

from ..knob_specs import boolean, channel, double, enum, integer, mask, matrix, scale, wh
from .common import MASK, MIX, Table

BLURS = ["box", "triangle", "quadratic", "gaussian"]

CLASSES: dict[str, Table] = {
    "Blur": Table(
        (
            mask("channels", "all"),
            wh("size", 0.0),
            enum("filter", BLURS, "gaussian"),
            integer("quality", 15),
            boolean("crop", True),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Sharpen": Table(
        (
            mask("channels", "rgb"),
            double("minimum", -1e8),
            double("maximum", 1e8),
            double("amount", 0.25),
            wh("size", 3.0),
            enum("filter", BLURS, "gaussian"),
            integer("quality", 15),
            boolean("crop", True),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Soften": Table(
        (
            mask("channels", "rgb"),
            double("minimum", -1e8),
            double("maximum", 1e8),
            double("amount", 0.25),
            wh("size", 3.0),
            enum("filter", BLURS, "gaussian"),
            integer("quality", 15),
            boolean("crop", True),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Laplacian": Table(
        (
            mask("channels", "all"),
            wh("size", 3.0),
            enum("filter", BLURS, "gaussian"),
            integer("quality", 15),
            boolean("crop", True),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Median": Table((mask("channels", "all"), wh("size", 3.0), boolean("ignore_top_line"), *MASK, *MIX), mask=1),
    "Bilateral": Table(
        (
            mask("channels", "all"),
            double("Size", 10.0),
            double("ColorSigma", 0.1),
            double("PositionalSigma", 10.0),
            *MIX,
        ),
    ),
    "Dilate": Table((mask("channels", "alpha"), wh("size", 1.0), *MASK, *MIX), mask=1),
    "FilterErode": Table(
        (
            mask("channels", "alpha"),
            wh("size", 1.0),
            enum("filter", [*BLURS], "gaussian"),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Erode": Table(
        (mask("channels", "alpha"), double("size", 1.0), double("blur", 0.0), integer("quality", 15), *MASK, *MIX),
        mask=1,
    ),
    "EdgeDetectWrapper": Table(
        (
            mask("channels", "rgba"),
            enum("edgedetector", ["Simple", "Sobel", "Prewitt", "Canny"], None),
            double("threshold"),
            double("erodesize"),
            double("blursize"),
        ),
    ),
    "EdgeBlur": Table(
        (
            mask("channels", "rgb"),
            wh("size", 3.0),
            channel("controlchannel", "rgba.alpha"),
            double("edge_mult", 2.0),
            double("brightness", 1.0),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Matrix": Table(
        (mask("channels", "all"), matrix("matrix", (0,) * 9), boolean("normalize"), *MASK, *MIX),
        mask=1,
    ),
    "Convolve2": Table(
        (
            mask("channels", "all"),
            mask("filter_channel", "rgb"),
            boolean("use_input_channels"),
            boolean("normalize", True),
            enum("filter_bounds", ["format", "bbox"], "format"),
            boolean("useGPUIfAvailable", True),
        ),
        least=2,
        most=2,
    ),
    "Defocus": Table(
        (
            mask("channels", "all"),
            double("defocus", 0.0),
            double("ratio", 1.0),
            scale("scale", 1.0),
            integer("quality", 15),
            enum("method", ["accelerated", "full precision"], "accelerated"),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "Grain2": Table(
        (
            mask("channels", "rgb"),
            double("seed", 134),
            *[double(f"{c}_size", d) for c, d in (("red", 3.3), ("green", 2.9), ("blue", 2.5))],
            *[double(f"{c}_i", d) for c, d in (("red", 0.6), ("green", 0.6), ("blue", 0.6))],
            *[double(f"{c}_m", d) for c, d in (("red", 0.42), ("green", 0.46), ("blue", 0.85))],
            double("black"),
            double("minimum"),
            channel("maskgrain"),
            boolean("maskinvert"),
        ),
    ),
    "MotionBlur": Table(
        (
            double("shutterTime", 0.75),
            integer("shutterSamples", 3),
            enum("motionEstimation", ["Local", "Regularized"], "Regularized"),
            double("vectorDetailReg", 0.3),
            enum("resampleType", ["Bilinear", "Lanczos4", "Lanczos6"], "Bilinear"),
            enum(
                "matteChannel", ["None", "Source Alpha", "Source Inverted Alpha", "Matte Luma", "Matte Alpha"], "None"
            ),
        ),
        most=4,
    ),
    "VectorBlur": Table(
        (
            mask("channels", "rgba"),
            mask("uv", "none"),
            double("scale", 1.0),
            double("offset"),
            channel("alpha"),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "VectorBlur2": Table(
        (mask("channels", "rgba"), mask("uv", "none"), double("scale", 1.0), double("offset")), mask=1
    ),
}
