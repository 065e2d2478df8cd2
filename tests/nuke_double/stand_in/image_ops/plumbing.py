"""Nodes that pass pictures on: group inputs and outputs, switches, metadata."""

from __future__ import annotations

import fnmatch
import math

from ..errors import NotEvaluated
from ..image import Image
from ..knobs import Unsupported_Knob
from ..operator import Op, blend
from ..tcl import split_list
from . import read


def same(op: Op) -> Image:
    return op.image(0)


def group_input(op: Op) -> Image:
    """What is connected to the group at the Input's number."""
    group = op.node._parent
    number = int(op.number("number"))
    source = group.input(number) if group is not None else None
    if source is None:
        return Image.black(op.format(), op.scale)
    return op.renderer.cook(source, op.frame, op.scale)


def switch(op: Op) -> Image:
    """Input floor(which), held at the first and last connected ones."""
    count = max(1, op.node.inputs())
    return op.image(min(max(int(op.number("which") // 1), 0), count - 1))


def dissolve(op: Op) -> Image:
    """Between inputs floor(which) and the next one; inputs are counted without the mask."""
    places = [i for i in range(max(2, op.node.inputs())) if i != op.node._node_class.mask]
    which = min(max(op.number("which"), 0.0), float(len(places) - 1))
    # At a whole number the last input is reached from the one before: channels that are not chosen stay with that one.
    first = max(math.ceil(which) - 1, 0)
    fraction = which - first
    a = op.image(places[first])
    if not fraction:
        return a
    b = op.image(places[first + 1])
    if fraction == 1 and not {*a.channels, *b.channels} - {*op.channels("channels", a), *op.channels("channels", b)}:
        return op.masked(op.image(0), b)
    box = a.bbox.union(b.bbox)
    out = a.over(box)
    for name in dict.fromkeys([*op.channels("channels", a), *op.channels("channels", b)]):
        out.channels[name] = blend(a.array(name, box), b.array(name, box), fraction)
    return op.masked(op.image(0), out)


def write(op: Op) -> Image:
    """A Write passes its input on, or with `reading` gives back its file."""
    if not op.flag("reading"):
        return op.image(0)
    return read.from_write(op)


def copy_metadata(op: Op) -> Image:
    """Input 0 with the metadata of input 1, merged as mergeMode says."""
    image, meta = op.image(0), op.image(1).metadata if op.connected(1) else {}
    op.only_default("metafilter", "copyMetadataFilter")
    mode = op.choice("mergeMode")
    merged = {
        "Meta+Image": {**image.metadata, **meta},
        "Image+Meta": {**meta, **image.metadata},
        "Meta only": dict(meta),
        "Image only": dict(image.metadata),
    }[mode]
    return image.with_(metadata=merged)


def modify_metadata(op: Op) -> Image:
    """`metadata {{set key value} {remove key} …}`."""
    image = op.image(0).with_()
    knob = op.node._knobs["metadata"]
    assert isinstance(knob, Unsupported_Knob)
    for entry in split_list(knob._raw.text) if knob._raw is not None else []:
        words = [word.text for word in split_list(entry.text)]
        if words[:1] == ["set"] and len(words) == 3:
            image.metadata[words[1]] = op.session.substitute(words[2], knob)
        elif words[:1] == ["remove"]:
            for key in [k for k in image.metadata if fnmatch.fnmatch(k, words[1])]:
                del image.metadata[key]
        else:
            raise NotEvaluated(f"{op.node.fullName()}: metadata action {words[:1]} is not known")
    return image


OPERATORS = {
    "NoOp": same,
    "Dot": same,
    "Output": same,
    "PostageStamp": same,
    "ViewMetaData": same,
    "DiskCache": same,
    "Viewer": same,
    "Input": group_input,
    "Switch": switch,
    "Dissolve": dissolve,
    "Write": write,
    "CopyMetaData": copy_metadata,
    "ModifyMetaData": modify_metadata,
}
