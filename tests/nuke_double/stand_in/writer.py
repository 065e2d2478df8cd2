"""What a Write node does with one frame."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from . import exr
from .errors import NotEvaluated
from .image import Image
from .nodes import Node

if TYPE_CHECKING:
    from .render import Renderer

_LINEAR = {"default", "linear", "raw", "scene_linear", "default (linear)", "default (scene_linear)"}


def write_frame(renderer: Renderer, node: Node, frame: int) -> None:
    """Evaluate the Write's input and write its file. Raises RuntimeError with the node's name, as Nuke does."""
    path = target(renderer, node, frame)
    source = node.input(0)
    if source is None:
        raise RuntimeError(f"{node.fullName()}: no input")
    image = renderer.evaluate(source, frame)
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder) and node["create_directories"].value():
        os.makedirs(folder, exist_ok=True)
    try:
        exr.write(
            path,
            image,
            channels(renderer, node, image),
            node["datatype"].value() == "32 bit float",
            node["compression"].value(),
            attributes(renderer, node, image, frame),
        )
    except RuntimeError as error:
        raise RuntimeError(f"{node.fullName()}: {error}") from error


def target(renderer: Renderer, node: Node, frame: int) -> str:
    """The path of a frame, after filename filters. Refuses what the stand-in cannot write."""
    text = (
        node["file"]._text()
        if not renderer.session.root.proxy() or not node["proxy"].value()
        else node["proxy"]._text()
    )
    if not text:
        raise RuntimeError(f"{node.fullName()}: Write needs a file name")
    text = renderer.session.callbacks.filter_filename(text, node)
    path = renderer.session.expand_frame(text)
    kind = node["file_type"].value() or os.path.splitext(path)[1].lstrip(".").lower()
    if kind != "exr":
        raise NotEvaluated(f"{node.fullName()}: the stand-in writes only EXR, not {kind or 'files without extension'}")
    for knob in ("autocrop", "views"):
        if node[knob].value() and knob == "autocrop":
            raise NotEvaluated(f"{node.fullName()}: the stand-in does not know Write.autocrop")
    if not node["raw"].value() and node["colorspace"].value() not in _LINEAR:
        raise NotEvaluated(f"{node.fullName()}: the stand-in writes EXR in linear light only")
    if node["frame"].value():
        raise NotEvaluated(f"{node.fullName()}: the stand-in does not renumber frames")
    return path


def channels(renderer: Renderer, node: Node, image: Image) -> list[str]:
    """The chosen channels: those of rgb and rgba always, black if the picture lacks them; others if they exist."""
    wanted = node["channels"]._expanded()  # type: ignore[attr-defined]
    if wanted == ["all"]:
        return list(image.channels)
    names = [n for n in wanted if n in image.channels or n in ("rgba.red", "rgba.green", "rgba.blue")]
    if not names:
        raise RuntimeError(f"{node.fullName()}: there are no channels to write")
    return names


def attributes(renderer: Renderer, node: Node, image: Image, frame: int) -> dict[str, Any]:
    """Header attributes by the metadata knob, and Nuke's own."""
    mode = node["metadata"].value()
    found: dict[str, Any] = {}
    for key, value in image.metadata.items():
        if mode in ("all metadata", "all metadata except input/*", "default metadata and exr/*") and key.startswith(
            "exr/"
        ):
            found[key[4:]] = value
        elif mode == "all metadata" or (mode == "all metadata except input/*" and not key.startswith("input/")):
            found[key if node["noprefix"].value() or key.startswith(("nuke/", "input/")) else f"nuke/{key}"] = value
    found = {key: _attribute(value) for key, value in found.items() if _attribute(value) is not None}
    for structure in ("compression", "channels", "dataWindow", "displayWindow", "type"):
        found.pop(structure, None)
    if mode != "no metadata":
        major, minor, release = renderer.session.version
        found["nuke/version"] = f"{major}.{minor}v{release}"
        found["nuke/full_layer_names"] = int(node["write_full_layer_names"].value())
        if node["write_hash"].value():
            found["nuke/node_hash"] = node_hash(node, frame)
    return found


def node_hash(node: Node, frame: int) -> str:
    """Sixteen hex digits that follow the tree's knobs, the Write's version and the frame."""
    text = [str(frame)]
    for upstream in node._upstream():
        text += [f"{name} {knob.toScript()}" for name, knob in upstream._knobs.items() if name not in ("xpos", "ypos")]
    return hashlib.sha256("\n".join(text).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _attribute(value: Any) -> Any:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value
    return str(value) if isinstance(value, (list, tuple, bool)) else None
