"""Writes the finishing gizmos, and the finishing tail into those that run models: `python gizmos/finishing_source`.

With `--check` it only says which files differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import beauty  # noqa: E402
import clean_plate  # noqa: E402
import de_age  # noqa: E402
import equalizer  # noqa: E402
import face_regions  # noqa: E402
import frequency_split  # noqa: E402
import recombine  # noqa: E402
import regrain  # noqa: E402
import tail  # noqa: E402

GIZMOS = {
    "BipackBeauty": beauty.build,
    "BipackCleanPlate": clean_plate.build,
    "BipackDeAge": de_age.build,
    "BipackEqualizer": equalizer.build,
    "BipackFaceRegions": face_regions.build,
    "BipackFrequencySplit": frequency_split.build,
    "BipackRecombine": recombine.build,
    "BipackRegrain": regrain.build,
}


def texts() -> Iterator[tuple[Path, str]]:
    """Every gizmo's file with the text that belongs into it."""
    for name, build in GIZMOS.items():
        yield HERE.parent / f"{name}.gizmo", build()
    for path in sorted(HERE.parent.glob("*.gizmo")):
        text = path.read_text(encoding="utf-8")
        if tail.fits(text):
            yield path, tail.add_tail(text)


def main() -> int:
    """Write or check every gizmo."""
    differing = []
    for path, text in texts():
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(path.name)
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
    if differing:
        sys.stderr.write(f"Out of date: {', '.join(differing)}. Run python gizmos/finishing_source.\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
