"""Writes the example scripts from the gizmos as they are: `python gizmos/examples/make_examples.py`.

A script holds the whole Group, as Nuke itself saves it, so that it opens where Bipack is not installed.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent

EXAMPLES = {"super_res.nk": "BipackSuperRes"}
"""Script: gizmo between the sample plate and a Write."""

_SCRIPT = """\
version 14.0 v5
Root {{
 inputs 0
 first_frame 1001
 last_frame {last}
 frame 1001
}}
Read {{
 inputs 0
 file_type exr
 file "\\[file dirname \\[value root.name]]/../../samples/otter/otter.%04d.exr"
 first 1001
 last {last}
 origfirst 1001
 origlast {last}
 origset true
 raw true
 name Plate
 xpos 0
 ypos -120
}}
{group}Write {{
 file "\\[file dirname \\[value root.name]]/out/{stem}.%04d.exr"
 file_type exr
 channels all
 raw true
 create_directories true
 name Write1
 xpos 0
 ypos 120
}}
"""


def script(stem: str, gizmo: str) -> str:
    """Text of one example script."""
    group = (HERE.parent / f"{gizmo}.gizmo").read_text(encoding="utf-8")
    last = 1000 + len(list((HERE.parents[1] / "samples/otter").glob("otter.*.exr")))
    return _SCRIPT.format(group=group, stem=stem, last=last)


def main() -> None:
    """Write every example beside this file."""
    for name, gizmo in EXAMPLES.items():
        (HERE / name).write_text(script(Path(name).stem, gizmo), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
