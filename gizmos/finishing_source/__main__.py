"""Writes the finishing gizmos: `python gizmos/finishing_source`. With `--check`, says which differ from their files."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import beauty  # noqa: E402
import clean_plate  # noqa: E402
import equalizer  # noqa: E402
import frequency_split  # noqa: E402
import recombine  # noqa: E402
import regrain  # noqa: E402

GIZMOS = {
    "BipackBeauty": beauty.build,
    "BipackCleanPlate": clean_plate.build,
    "BipackEqualizer": equalizer.build,
    "BipackFrequencySplit": frequency_split.build,
    "BipackRecombine": recombine.build,
    "BipackRegrain": regrain.build,
}


def main() -> int:
    """Write or check every gizmo."""
    differing = []
    for name, build in GIZMOS.items():
        path = HERE.parent / f"{name}.gizmo"
        text = build()
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
