"""Pictures through real encoders: what a JPEG file or a film file of an archive does to them.

Imitations of block artefacts teach a network the imitation. So frames go through the encoders themselves: JPEG by
OpenCV, and H.264, H.265 and MPEG-2 by PyAV, as short clips, because most frames of a film are predicted from others
and look unlike a still.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import CorruptInput, UsageError
from bipack_train import ycc

Bytes = NDArray[np.uint8]
"""(height, width, 3) of 8-bit display-coded RGB."""

_ENCODERS = {"h264": "libx264", "h265": "libx265", "mpeg2": "mpeg2video"}
CODECS = tuple(_ENCODERS)
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
"""Of H.264 and H.265: how hard the encoder tries."""

RATE = 24


@dataclass(frozen=True)
class Film:
    """How a clip is encoded."""

    codec: str = "h264"
    quality: int = 30
    """crf of H.264 and H.265 (0 best, 51 worst); quantiser of MPEG-2 (2 best, 31 worst)."""

    group: int = 12
    """Frames from one whole picture to the next."""

    chroma: str = "420"
    """Of `bipack_train.ycc`; MPEG-2 knows 420 and 422."""

    preset: str = "veryfast"
    """One of PRESETS."""


def through_jpeg(pixels: Bytes, quality: int, chroma: str = "420") -> Bytes:
    """The picture after JPEG of `quality` 1..100."""
    factors = {
        "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    }
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors[chroma]]
    _, stream = cv2.imencode(".jpg", np.ascontiguousarray(pixels[:, :, ::-1]), flags)
    return np.ascontiguousarray(np.asarray(cv2.imdecode(stream, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1])


def through_film(frames: Sequence[Bytes], film: Film) -> list[Bytes]:
    """The frames of one clip after encoding and decoding: as many, of the same size, in the same order.

    Sides must be even. The same frames give the same film; of H.265 only from 65 pixels on (x265
    reads beyond smaller frames). Raises UsageError for an unknown codec and where PyAV or its encoder is not there.
    """
    height, width = frames[0].shape[:2]
    if height % 2 or width % 2:
        raise UsageError(f"Frames of {width}x{height} cannot be encoded as film; both sides must be even.")
    decoded = _decode(_encode(frames, film))
    if len(decoded) != len(frames):
        raise UsageError(f"{film.codec} gave {len(decoded)} frames for {len(frames)}; use another version of PyAV.")
    return decoded


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise UsageError("Real film encodes need PyAV: install bipack[train], or set wear.film to 0.") from error
    return av


def _encode(frames: Sequence[Bytes], film: Film) -> bytes:
    av = _av()
    if film.codec not in _ENCODERS:
        raise UsageError(f"Codec {film.codec!r} is unknown. Use one of: {', '.join(CODECS)}.")
    stream = io.BytesIO()
    try:
        with av.open(stream, "w", format="matroska") as container:
            track = container.add_stream(_ENCODERS[film.codec], rate=RATE)
            track.height, track.width = frames[0].shape[:2]
            track.pix_fmt = f"yuv{film.chroma}p"
            track.codec_context.thread_count = 1  # the same bytes on every machine
            track.codec_context.options = _options(film)
            for pixels in frames:
                container.mux(track.encode(_picture(av, pixels, film.chroma)))
            container.mux(track.encode(None))
    except (av.error.FFmpegError, ValueError) as error:
        raise UsageError(f"PyAV cannot encode {film.codec} {film.chroma}: {error}. Name other codecs.") from error
    return stream.getvalue()


def _options(film: Film) -> dict[str, str]:
    if film.codec == "mpeg2":
        quantiser = str(min(max(film.quality, 2), 31))
        return {"qmin": quantiser, "qmax": quantiser, "b": "200M", "g": str(film.group), "bf": "2"}
    options = {"crf": str(film.quality), "preset": film.preset, "g": str(film.group)}
    if film.codec == "h264":
        # Else its AVX-512 code reads memory that it never wrote, and one clip is encoded now so, now so.
        options["x264-params"] = "cpu-independent=1"
    if film.codec == "h265":
        options["x265-params"] = f"log-level=none:pools=none:frame-threads=1:crf={film.quality}:keyint={film.group}"
    return options


def _picture(av: Any, pixels: Bytes, chroma: str) -> Any:
    """The encoder's own picture. Converted here: the library's quick conversion darkens by half a code."""
    height, width = pixels.shape[:2]
    flat = np.concatenate([plane.ravel() for plane in ycc.split(pixels, chroma)])
    shape = (3, height, width) if chroma == "444" else (-1, width)
    return av.VideoFrame.from_ndarray(flat.reshape(shape), format=f"yuv{chroma}p")


def _decode(content: bytes) -> list[Bytes]:
    frames = []
    with _av().open(io.BytesIO(content)) as container:
        for picture in container.decode(video=0):
            chroma = picture.format.name[3:-1]
            flat = picture.to_ndarray().ravel()
            frames.append(ycc.join(_planes(flat, picture.height, picture.width, chroma)))
    return frames


def _planes(flat: Bytes, height: int, width: int, chroma: str) -> list[Bytes]:
    rows, columns = ycc.chroma_size(height, width, chroma)
    first, second = height * width, height * width + rows * columns
    if flat.size != second + rows * columns:
        raise CorruptInput(f"A decoded frame of {width}x{height} holds {flat.size} samples, not those of {chroma}.")
    parts = (flat[:first].reshape(height, width), flat[first:second], flat[second:])
    return [parts[0], *(part.reshape(rows, columns) for part in parts[1:])]
