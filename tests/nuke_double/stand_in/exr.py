"""EXR files as Nuke reads and writes them, straight through the OpenEXR binding.

The code under test has its own reader; this one shares nothing with it, so that each checks the other.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from .formats import Format, sized
from .image import Edges, Image

_TO_NUKE = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "r": "red", "g": "green", "b": "blue", "a": "alpha"}
_TO_FILE = {"rgba.red": "R", "rgba.green": "G", "rgba.blue": "B", "rgba.alpha": "A"}
_STRUCTURE = {
    "channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "screenWindowCenter",
    "screenWindowWidth", "type", "tiles", "chunkCount", "name", "version",
}  # fmt: skip
COMPRESSION = {
    "none": OpenEXR.NO_COMPRESSION,
    "Zip (1 scanline)": OpenEXR.ZIPS_COMPRESSION,
    "Zip (16 scanlines)": OpenEXR.ZIP_COMPRESSION,
    "PIZ Wavelet (32 scanlines)": OpenEXR.PIZ_COMPRESSION,
    "RLE": OpenEXR.RLE_COMPRESSION,
    "B44": OpenEXR.B44_COMPRESSION,
    "B44A": OpenEXR.B44A_COMPRESSION,
    "DWAA": OpenEXR.DWAA_COMPRESSION,
    "DWAB": OpenEXR.DWAB_COMPRESSION,
}


def read(path: str, frame: int) -> Image:
    """The picture of a file: all parts, with the metadata that Nuke makes of the header.

    A data window unlike the display window makes the picture black outside; otherwise its edges repeat.
    Raises RuntimeError with the file's name for what is no EXR, is cut short, or is deep.
    """
    try:
        file = OpenEXR.File(path, separate_channels=True)
        parts = file.parts
    except Exception as error:
        raise RuntimeError(f"{path}: {str(error).strip() or 'cannot be read'}") from error
    if not parts:
        raise RuntimeError(f"{path}: no image in the file")
    header = parts[0].header
    if "deep" in str(header.get("type", "")):
        raise RuntimeError(f"{path}: deep data; use DeepRead")
    display, window = _box(header["displayWindow"]), _box(header["dataWindow"])
    made = sized(display[2] - display[0], display[3] - display[1], header.get("pixelAspectRatio", 1.0))
    boxes = [_edges(_box(part.header["dataWindow"]), display) for part in parts]
    bbox = boxes[0]
    for box in boxes[1:]:
        bbox = bbox.union(box)
    image = Image(made, bbox, black_outside=window != display, metadata=_metadata(path, frame, header, made))
    for part, box in zip(parts, boxes, strict=True):
        prefix = str(part.header.get("name", "")) if len(parts) > 1 else ""
        for name, channel in part.channels.items():
            _take(image, name, prefix, channel.pixels, box)
    return image


def _take(image: Image, name: str, part: str, pixels: Any, box: Edges) -> None:
    if pixels is None:
        raise RuntimeError(f"channel {name} holds no pixels")
    data = np.ascontiguousarray(np.asarray(pixels)[::-1].astype(np.float32))
    if data.shape != (box.height, box.width):
        rows = np.arange(box.height) * data.shape[0] // box.height
        columns = np.arange(box.width) * data.shape[1] // box.width
        data = data[rows[:, None], columns[None, :]]
    whole = Image(image.format, box, {"only": data}, black_outside=image.black_outside)
    data = whole.array("only", image.bbox)
    for channel in nuke_names(name, part):
        if channel not in image.channels:
            image.channels[channel] = data


def nuke_names(name: str, part: str = "") -> list[str]:
    """Nuke's channels for a channel of a file: R is rgba.red, Y fills red, green and blue, Z is depth.Z."""
    layer, _, field = name.rpartition(".")
    if not layer and part and part not in ("rgba", "rgb", "main") and not part.startswith("rgba"):
        layer = part.split(".")[0]
    if layer:
        return [f"{layer}.{_TO_NUKE.get(field, field)}"]
    if field == "Y":
        return ["rgba.red", "rgba.green", "rgba.blue"]
    if field in ("Z", "z"):
        return ["depth.Z"]
    if field in _TO_NUKE:
        return [f"rgba.{_TO_NUKE[field]}"]
    return [f"other.{field}"]


def file_name(channel: str) -> str:
    """The name in a file for a channel of Nuke: R, G, B and A for rgba, other channels by their own names."""
    return _TO_FILE.get(channel, channel)


def write(
    path: str, image: Image, channels: list[str], float32: bool, compression: str, attributes: dict[str, Any]
) -> None:
    """One part, through a temporary file beside the target. Raises RuntimeError as Nuke's writer does.

    The data window is the bounding box, the display window the format, both turned over in y.
    """
    height = image.format.height()
    box = image.bbox if not image.bbox.empty else Edges(0, 0, 1, 1)
    kind = np.float32 if float32 else np.float16
    header = {
        **attributes,
        "compression": COMPRESSION[compression],
        "type": OpenEXR.scanlineimage,
        "dataWindow": (
            np.array([box.x, height - box.t], np.int32),
            np.array([box.r - 1, height - box.y - 1], np.int32),
        ),
        "displayWindow": (np.zeros(2, np.int32), np.array([image.format.width() - 1, height - 1], np.int32)),
        "pixelAspectRatio": float(image.format.pixelAspect()),
    }
    with np.errstate(over="ignore"):
        data = {file_name(n): np.ascontiguousarray(image.array(n, box)[::-1].astype(kind)) for n in channels}
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        if not Path(path).parent.is_dir():
            raise OSError(2, "No such file or directory")
        OpenEXR.File(header, data).write(temporary)
        os.replace(temporary, path)
    except Exception as error:
        Path(temporary).unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        raise RuntimeError(f"can't open {path} for writing: {reason}") from error


def _box(window: Any) -> tuple[int, int, int, int]:
    low, high = window
    return int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1


def _edges(box: tuple[int, int, int, int], display: tuple[int, int, int, int]) -> Edges:
    """A file's box in Nuke's coordinates: the display window moved to 0, 0 and turned over in y."""
    x, y, r, t = box[0] - display[0], box[1], box[2] - display[0], box[3]
    return Edges(x, display[3] - t, r, display[3] - y)


def _metadata(path: str, frame: int, header: dict[str, Any], made: Format) -> dict[str, Any]:
    channels = header.get("channels", [])
    found: dict[str, Any] = {
        "input/filename": path,
        "input/filereader": "exr",
        "input/frame": frame,
        "input/width": made.width(),
        "input/height": made.height(),
        "input/mtime": _time(path),
        "input/filesize": os.path.getsize(path),
    }
    if channels:
        found["input/bitsperchannel"] = "16-bit half float" if "HALF" in str(channels[0]) else "32-bit float"
    for name, value in header.items():
        if name not in _STRUCTURE:
            found[name if name.startswith("nuke/") else f"exr/{name}"] = _plain(value)
    found["exr/compression"] = int(header["compression"].value) if hasattr(header["compression"], "value") else 0
    return found


def _time(path: str) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(os.path.getmtime(path)).strftime("%Y-%m-%d %H:%M:%S")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
