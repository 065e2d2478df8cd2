"""How much a shot must be enlarged for a face to be a given number of pixels wide."""

from __future__ import annotations

from collections.abc import Sequence

from bipack.errors import UsageError
from bipack.imaging import sizing
from bipack.imaging.faces import track_file
from bipack.imaging.faces.square import SPAN


def factor_for(path: str, frames: Sequence[int], width: int = 1024, face: int = 1) -> float:
    """The factor by which face number `face` of the track at `path` is at least `width` pixels wide, ear to ear.

    One factor for all `frames`: that of the frame on which the face is smallest. 1 where it is large enough. Raises
    UsageError for a face that is not there and where more than `sizing.MOST` would be needed, MissingInput,
    CorruptInput.
    """
    tracks = {track.number: track for track in track_file.load(path, frames).tracks}
    if face not in tracks:
        known = ", ".join(str(number) for number in sorted(tracks)) or "none"
        raise UsageError(f"The track {path} has no face {face}. Its faces: {known}.")
    places = tracks[face].places
    seen = {frame: places[frame].square.side / SPAN for frame in frames if frame in places}
    if not seen:
        raise UsageError(f"Face {face} of {path} is on none of the frames that are to be cooked.")
    smallest = min(seen, key=lambda frame: seen[frame])
    factor = max(sizing.LEAST, width / seen[smallest])
    if factor > sizing.MOST:
        raise UsageError(
            f"On frame {smallest} face {face} is {seen[smallest]:.0f} pixels wide; for {width} it would have to be "
            f"enlarged {factor:.1f} times, and {sizing.MOST:g} is the most. Cook fewer frames, or ask for less."
        )
    return factor
