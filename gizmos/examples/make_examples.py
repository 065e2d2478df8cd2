"""Writes the example scripts from the gizmos as they are: `python gizmos/examples/make_examples.py`.

A script holds the whole Group, as Nuke itself saves it, so that it opens where Bipack is not installed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import new_head  # noqa: E402

EXAMPLES = {
    "super_res.nk": ("BipackSuperRes",),
    "slow_mo.nk": ("BipackSuperRes", "BipackSlowMo"),
    "archive_clip.nk": ("BipackSuperRes deartifact 1", "BipackSuperRes", "BipackSlowMo"),
}
"""Script: gizmos, one below the other, between the sample plate and a Write; after a gizmo its model and factor."""

SLOW_FACTOR = 4
"""Factor of BipackSlowMo as its gizmo file sets it."""

_SCRIPT = """\
version 14.0 v5
Root {{
 inputs 0
 first_frame 1001
 last_frame {result}
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
{groups}Write {{
 file "\\[file dirname \\[value root.name]]/out/{stem}.%04d.exr"
 file_type exr
 channels all
 raw true
 create_directories true
 name Write1
 xpos 0
 ypos 240
}}
"""


def script(stem: str, gizmos: tuple[str, ...]) -> str:
    """Text of one example script."""
    groups = "".join(_group(*step.split()) for step in gizmos)
    count = len(list((HERE.parents[1] / "samples/otter").glob("otter.*.exr")))
    factor = SLOW_FACTOR if "BipackSlowMo" in gizmos else 1
    return _SCRIPT.format(groups=groups, stem=stem, last=1000 + count, result=1001 + (count - 1) * factor)


def _group(gizmo: str, model: str = "", factor: str = "") -> str:
    """A gizmo's Group; one with a model of its own is named after it, so that no name is there twice."""
    text = (HERE.parent / f"{gizmo}.gizmo").read_text(encoding="utf-8")
    if not model:
        return text
    text = text.replace(f" name {gizmo}1\n", f" name {gizmo}_{model}\n", 1)
    text = text.replace(" factor 2\n", f" factor {factor}\n", 1)
    head, line, rest = re.split(r"( addUserKnob \{4 model .*\n)", text, maxsplit=1)
    return head + re.sub(r"M \{\w+", f"M {{{model}", line) + f" model {model}\n" + rest


def main() -> None:
    """Write every example beside this file, and the toolset."""
    for name, gizmos in EXAMPLES.items():
        (HERE / name).write_text(script(Path(name).stem, gizmos), encoding="utf-8", newline="\n")
    for path, text in new_head.files():
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
