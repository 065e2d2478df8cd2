"""Small random networks out of every local operation that the graph analysis claims to understand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from graphs import Builder


class _Growth:
    """A network that grows layer by layer; keeps where it is so that skips join what fits together."""

    def __init__(self, seed: int) -> None:
        self.b = Builder(seed)
        self.x = "input"
        self.channels = 3
        self.step = Fraction(1)
        self.size = 0
        """Number of the current size class: tensors of one class have one size and lie alike over the plate."""

        self.skips: list[tuple[str, int, int, Fraction]] = []
        self.classes = 1

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.b.rng.integers(len(choices)))]

    def resized(self, step: Fraction) -> None:
        """The size changed: a new class, as nothing fits it yet."""
        self.step, self.size = step, self.classes
        self.classes += 1

    def remember(self) -> None:
        self.skips.append((self.x, self.channels, self.size, self.step))

    # -- layers ----------------------------------------------------------------------------------------------------

    def conv(self) -> None:
        kernel, dilation = self.pick((1, 1), (3, 1), (3, 2), (5, 1), (7, 1))
        out = self.pick(4, 6, 8)
        group = self.channels if self.pick(0, 0, 1) else 1
        out = self.channels if group > 1 else out
        self.x = self.b.conv(self.x, self.channels, out, kernel, dilations=[dilation] * 2, group=group)
        self.channels = out

    def lopsided_conv(self) -> None:
        low = self.pick(0, 1, 2)
        self.x = self.b.conv(self.x, self.channels, 4, 3, pads=[low, 2 - low, 2 - low, low])
        self.channels = 4

    def unpadded_conv(self) -> None:
        self.x = self.b.conv(self.x, self.channels, 4, 3, pads=[0, 0, 0, 0])
        self.channels = 4
        self.resized(self.step)

    def strided_conv(self) -> None:
        kernel, pad = self.pick((3, 1), (2, 0), (4, 1), (5, 2), (3, 0))
        self.x = self.b.conv(self.x, self.channels, 6, kernel, strides=[2, 2], pads=[pad] * 4)
        self.channels = 6
        self.resized(self.step * 2)

    def same_conv(self) -> None:
        stride = self.pick(1, 2)
        auto = self.pick("SAME_UPPER", "SAME_LOWER")
        self.x = self.b.conv(self.x, self.channels, 4, self.pick(3, 4), strides=[stride] * 2, auto_pad=auto)
        self.channels = 4
        if stride > 1:
            self.resized(self.step * stride)

    def transposed(self) -> None:
        kernel, stride, pad, extra = self.pick((2, 2, 0, 0), (4, 2, 1, 0), (3, 2, 1, 1), (5, 3, 1, 0), (3, 3, 0, 0))
        self.x = self.b.conv_transpose(
            self.x, self.channels, 4, kernel, stride, pads=[pad] * 4, output_padding=[extra] * 2
        )
        self.channels = 4
        self.resized(self.step / stride)

    def pool(self) -> None:
        kind = self.pick("MaxPool", "AveragePool", "LpPool")
        kernel, stride, pad = self.pick((2, 2, 0), (3, 1, 1), (3, 2, 1), (2, 1, 0))
        more: dict[str, Any] = {"ceil_mode": self.pick(0, 1)} if kind != "LpPool" else {}
        self.x = self.b.op(kind, self.x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **more)
        if (kernel, stride, pad) != (3, 1, 1):
            self.resized(self.step * stride)

    def resize(self) -> None:
        factor = self.pick(2.0, 2.0, 0.5, 4.0)
        mode = self.pick("nearest", "linear", "cubic")
        place = self.pick("half_pixel", "pytorch_half_pixel", "asymmetric")
        more: dict[str, Any] = {}
        if mode == "nearest":
            more["nearest_mode"] = self.pick("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        elif factor < 1 and place == "half_pixel":
            more["antialias"] = self.pick(0, 1)
        self.x = self.b.op("Resize", self.x, "", self.b.const([1, 1, factor, factor]), mode=mode,
                           coordinate_transformation_mode=place, **more)  # fmt: skip
        self.resized(self.step / Fraction(factor))

    def resize_to_skip(self) -> None:
        fitting = [skip for skip in self.skips if skip[3] * 2 == self.step or skip[3] * 4 == self.step]
        if not fitting:
            return self.conv()
        skip, channels, size, step = fitting[-1]
        b = self.b
        shape = b.op("Concat", b.op("Shape", self.x, end=2), b.op("Shape", skip, start=2), axis=0)
        self.x = b.op("Resize", self.x, "", "", shape, mode="linear", coordinate_transformation_mode="half_pixel")
        self.x = b.op("Concat", self.x, skip, axis=1)
        self.channels, self.size, self.step = self.channels + channels, size, step

    def depth_to_space(self) -> None:
        block = self.pick(2, 3)
        x = self.b.conv(self.x, self.channels, 4 * block * block, 1)
        if self.pick(0, 1):
            self.x = self.b.op("DepthToSpace", x, blocksize=block, mode=self.pick("CRD", "DCR"))
        else:
            b = self.b
            height, width = (b.op("Shape", x, start=axis, end=axis + 1) for axis in (2, 3))
            r = b.ints([block])
            split = b.op("Concat", b.ints([1, 4]), r, r, height, width, axis=0)
            x = b.op("Transpose", b.op("Reshape", x, split), perm=[0, 1, 4, 2, 5, 3])
            joined = b.op("Concat", b.ints([1, 4]), b.op("Mul", height, r), b.op("Mul", width, r), axis=0)
            self.x = b.op("Reshape", x, joined)
        self.channels = 4
        self.resized(self.step / block)

    def space_to_depth(self) -> None:
        b, x = self.b, self.x
        kind = self.pick("node", "slices", "reshape")
        if kind == "node":
            x = b.op("SpaceToDepth", x, blocksize=2)
        elif kind == "slices":
            parts = [
                b.op("Slice", x, b.ints([top, left]), b.ints([1 << 40] * 2), b.ints([2, 3]), b.ints([2, 2]))
                for top in (0, 1)
                for left in (0, 1)
            ]
            x = b.op("Concat", *parts, axis=1)
        else:
            half = [b.op("Div", b.op("Shape", x, start=a, end=a + 1), b.ints([2])) for a in (2, 3)]
            split = b.op("Concat", b.ints([1, self.channels]), half[0], b.ints([2]), half[1], b.ints([2]), axis=0)
            x = b.op("Transpose", b.op("Reshape", x, split), perm=[0, 1, 3, 5, 2, 4])
            x = b.op("Reshape", x, b.op("Concat", b.ints([1, self.channels * 4]), *half, axis=0))
        self.x, self.channels = b.conv(x, self.channels * 4, 4, 1), 4
        self.resized(self.step * 2)

    def pad_and_conv(self) -> None:
        mode = self.pick("reflect", "edge", "constant")
        x = self.b.op("Pad", self.x, self.b.ints([0, 0, 1, 2, 0, 0, 1, 0]), mode=mode)
        self.x = self.b.conv(x, self.channels, 4, 3, pads=[0, 0, 0, 0])
        self.channels = 4

    def shift(self) -> None:
        """One pixel to the right, by padding and cutting."""
        b = self.b
        x = b.op("Pad", self.x, b.ints([0, 0, 0, 1, 0, 0, 0, 0]))
        self.x = b.op("Slice", x, b.ints([0]), b.ints([-1]), b.ints([3]))

    def crop(self) -> None:
        self.x = self.b.op("Slice", self.x, self.b.ints([1, 2]), self.b.ints([-1, -2]), self.b.ints([2, 3]))
        self.resized(self.step)

    def join(self) -> None:
        fitting = [skip for skip in self.skips if skip[2] == self.size]
        if not fitting:
            return self.conv()
        skip, channels, _, _ = self.pick(*fitting)
        if channels == self.channels and self.pick(0, 1):
            self.x = self.b.op(self.pick("Add", "Mul", "Max"), self.x, skip)
        else:
            self.x = self.b.op("Concat", self.x, skip, axis=1)
            self.channels += channels

    def activation(self) -> None:
        kind = self.pick("Relu", "Sigmoid", "LeakyRelu", "Elu", "HardSwish", "Clip", "PRelu", "Softmax", "Mean")
        if kind == "Clip":
            self.x = self.b.op("Clip", self.x, self.b.const(-1.0), self.b.const(1.0))
        elif kind == "PRelu":
            self.x = self.b.op("PRelu", self.x, self.b.const(self.b.rng.random((self.channels, 1, 1))))
        elif kind == "Softmax":
            self.x = self.b.op("Softmax", self.x, axis=1)
        elif kind == "Mean":
            self.x = self.b.op("Sub", self.x, self.b.op("ReduceMean", self.x, self.b.ints([1])))
        else:
            self.x = self.b.op(kind, self.x)

    def channels_last(self) -> None:
        """Layer normalisation and a linear layer over channels, on flattened tokens or not."""
        b, c = self.b, self.channels
        x, shape = self.x, b.op("Shape", self.x)
        flat = self.pick(0, 1)
        if flat:
            x = b.op("Transpose", b.op("Reshape", x, b.ints([0, 0, -1])), perm=[0, 2, 1])
        else:
            x = b.op("Transpose", x, perm=[0, 2, 3, 1])
        x = b.op("LayerNormalization", x, b.const(b.rng.random(c)), b.const(b.rng.random(c)), axis=-1)
        x = b.op("Add", b.op("MatMul", x, b.const(b.rng.normal(0, c**-0.5, (c, c)))), b.const(b.rng.random(c)))
        x = b.op("Gelu", x) if b.opset >= 20 else b.op("Tanh", x)
        if flat:
            self.x = b.op("Reshape", b.op("Transpose", x, perm=[0, 2, 1]), shape)
        else:
            self.x = b.op("Transpose", x, perm=[0, 3, 1, 2])

    def split_gate(self) -> None:
        x = self.b.conv(self.x, self.channels, 8, 1)
        first, second = self.b.op("Split", x, axis=1, num_outputs=2, outputs=2)
        self.x, self.channels = self.b.op("Mul", first, second), 4

    def window_attention(self) -> None:
        """Attention inside windows of 4×4."""
        b, c, w = self.b, self.channels, 4
        shape = b.op("Shape", self.x)
        counts = [b.op("Div", b.op("Shape", self.x, start=a, end=a + 1), b.ints([w])) for a in (2, 3)]
        split = b.op("Concat", b.ints([1, c]), counts[0], b.ints([w]), counts[1], b.ints([w]), axis=0)
        x = b.op("Transpose", b.op("Reshape", self.x, split), perm=[0, 2, 4, 3, 5, 1])
        tokens = b.op("Reshape", x, b.ints([-1, w * w, c]))
        scores = b.op("MatMul", tokens, b.op("Transpose", tokens, perm=[0, 2, 1]))
        mixed = b.op("MatMul", b.op("Softmax", scores, axis=-1), tokens)
        back = b.op("Concat", b.ints([1]), *counts, b.ints([w, w, c]), axis=0)
        x = b.op("Transpose", b.op("Reshape", mixed, back), perm=[0, 5, 1, 3, 2, 4])
        self.x = b.op("Reshape", x, shape)


LAYERS = (
    "conv conv activation lopsided_conv unpadded_conv strided_conv same_conv transposed pool resize resize_to_skip "
    "depth_to_space space_to_depth pad_and_conv shift crop join join channels_last split_gate window_attention"
)


def random_graph(seed: int, layers: int = 6) -> Any:
    """A network of random layers, brought to a whole-number scale at the end."""
    growth = _Growth(seed)
    kinds = LAYERS.split()
    for _ in range(layers):
        growth.remember()
        if growth.step < Fraction(1, 3):
            growth.strided_conv()
        else:
            getattr(growth, growth.pick(*kinds))()
    while growth.step > 1:
        growth.transposed()
    if (1 / growth.step).denominator != 1:
        factor = (1 / growth.step).denominator
        growth.x = growth.b.op("Resize", growth.x, "", growth.b.const([1, 1, factor, factor]), mode="nearest")
    x = growth.b.conv(growth.x, growth.channels, 3, 1)
    return growth.b.model(x)
