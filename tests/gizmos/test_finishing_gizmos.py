"""What holds for every finishing gizmo: one knob table, no worker, nothing that breaks elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bipack.finishing_knobs import KNOBS
from bipack.finishing_presets import PRESETS
from finishing_scene import GIZMOS, OFF_CENTRE, Scene

TOOLS = {
    "BipackEqualizer": "equalizer",
    "BipackBeauty": "beauty",
    "BipackRegrain": "regrain",
    "BipackRecombine": "recombine",
    "BipackFrequencySplit": "frequency_split",
    "BipackCleanPlate": "clean_plate",
}
HEADLESS_ONLY = {"plate", "degrained", "measure_frame", "result", "align", "holdout"}
"""Knobs that name files, or what a gizmo does otherwise."""


@pytest.mark.parametrize("name", TOOLS)
def test_gizmo_has_the_knobs_of_the_headless_tool(finishing: Callable[..., Scene], name: str) -> None:
    node = finishing(name).node
    for knob in KNOBS[TOOLS[name]]:
        if knob.name in HEADLESS_ONLY:
            continue
        found = node.knob(knob.name)
        assert found is not None, knob.name
        if knob.type in ("float", "int"):
            assert found.value() == pytest.approx(knob.default), knob.name
        elif knob.type == "enum" and knob.name != "smoothing":
            assert (tuple(found.values()), found.value()) == (knob.values, str(knob.default)), knob.name


@pytest.mark.parametrize("name", TOOLS)
def test_nothing_in_it_is_dead_or_unknown(finishing: Callable[..., Scene], name: str) -> None:
    import stand_in

    assert stand_in.audit(finishing(name).node) == []


@pytest.mark.parametrize("name", TOOLS)
def test_it_renders_where_bipack_is_not_installed(
    finishing: Callable[..., Scene], name: str, plate: np.ndarray
) -> None:
    scene = finishing(name)
    scene.feed(0, plate, OFF_CENTRE)
    assert np.isfinite(scene.result()).all()


def test_files_are_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, str(GIZMOS / "finishing_source"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_node_class_is_outside_the_known_vocabulary() -> None:
    import json

    known = json.loads((Path(GIZMOS).parent / "tests/nuke_double/stand_in/vocabulary.json").read_text())
    for name in TOOLS:
        for line in (GIZMOS / f"{name}.gizmo").read_text(encoding="utf-8").splitlines():
            if line.startswith(" ") and line.endswith(" {") and not line.startswith("  "):
                assert line.split()[0] in known, line


@pytest.mark.parametrize("tool", PRESETS)
def test_presets_set_knobs_that_exist(tool: str) -> None:
    known = {knob.name: knob for knob in KNOBS[tool]}
    for preset in PRESETS[tool].values():
        for name, value in preset.items():
            knob = known[name]
            assert value in knob.values if knob.type == "enum" else isinstance(value, (int, float))
