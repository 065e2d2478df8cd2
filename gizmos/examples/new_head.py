"""The group "new head into the plate": clean-plate patch, hair, grade match, regrain, final merge.

It lies in a toolset, to be opened and changed like any set-up, and in an example script over the sample plate, where
its numbers fit the sample. Native nodes and BipackRegrain; nothing has to be cooked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

GIZMOS = Path(__file__).resolve().parents[1]

FRAMES = range(1001, 1010)
WIDTH, HEIGHT = 320, 180
VIEW = (1060.0, 560.0, 1600.0), (1110.0, 580.0, 1460.0)
"""Centre and width of the sample's view at its first and last frame, in pixels of its photograph (make_otter.py)."""

NECK = (900.0, 450.0)
"""The otter's neck in the photograph."""

OTHER_CAMERA = (1.6, 1.15, 0.75)
"""What the example does to the sample's colors, so that its new head comes from another camera."""

BLACK, WHITE = (0.012, 0.012, 0.011), (0.38, 0.34, 0.3)
"""Dark and light fur, picked in the plate."""

HANDLE = "Nhead"
"""Beginning of the names on the stack: nodes inside the gizmos have names of the same kind."""

HELP = (
    "Lays a new head into the plate: the old one is patched with background, the new one graded, turned about the "
    "neck, merged with its hair and regrained. Outside the matte the plate stays as it is. Track the neck, place both "
    "ellipses or connect rotos, pick the four colors, then place the head. Open the group to change how it is done."
)
INPUTS = (
    ("hair", 4, 1120, "optional: where hair may stand out"),
    ("old_head", 3, 200, "optional: a roto of the old head"),
    ("head_clean", 2, 840, "the head's own background, for hair"),
    ("head", 1, 560, "with its matte in alpha"),
    ("plate", 0, 0, ""),
)
LUMA = "(0.2126*(Ar-Br)+0.7152*(Ag-Bg)+0.0722*(Ab-Bb))"

Knob = tuple[int, str, str, str, str]
"""Kind, name, label, value and tooltip of a knob."""


def example() -> str:
    """The group over the sample plate, from Read to Write."""
    neck, zoom = _track()
    light = {"channels": "rgb", "multiply": _numbers(*OTHER_CAMERA, 1), "black_clamp": "false"}
    above = {"translate": "{0 {-50*NewHead1.zoom}}", "black_outside": "false"}
    return "".join(
        [
            _read("Plate", 0),
            # The sample has no second head: the same otter in other light, turned, does.
            _read("Head", 560),
            _node("Grade", "OtherCamera", ["Head"], (560, 60), **light, label='"makes a head of another camera"'),
            _node("Transform", "AboveHead", ["OtherCamera"], (840, 60), **above, label='"water, without the head"'),
            _node("Blur", "HeadClean", ["AboveHead"], (840, 160), channels="rgb", size="24"),
            _inputs(["Plate", "OtherCamera", "HeadClean", None, None]),
            _group(neck, zoom, _picked(BLACK, OTHER_CAMERA), _picked(WHITE, OTHER_CAMERA), "{140 116 214 176}"),
            _write(),
        ]
    )


def toolset() -> str:
    """The group alone, with numbers to start from."""
    return _group("{960 540}", "4", _picked(BLACK), _picked(WHITE), "{64 64 320 320}")


def _group(neck: str, zoom: str, black: str, white: str, sample: str) -> str:
    knobs: list[Knob] = [
        (12, "neck", "neck", neck, "Point that the new head turns about. Ctrl-drag a Tracker's animation onto it."),
        (7, "zoom", "zoom", zoom, "Scales all sizes below: the size of the head in the picture, keyed from the track."),
        (12, "old_offset", "old head", "{-30 10}", "Middle of the old head, from the neck."),
        (12, "old_size", "its radii", "{39 31}", "Half its width and height. Keep it small: all in it is patched."),
        (12, "patch_from", "patch from", "{-78 -24}", "How far the background that covers the old head is moved."),
        (12, "new_offset", "new head", "{-26 6}", "Middle of the new head, from the neck, before it is placed."),
        (12, "new_size", "its radii", "{54 42}", "Half its width and height; some of the neck makes a soft seam."),
        (7, "edge", "soft edge", "10", "Width of the soft edges of both."),
        (12, "move", "move", "{0 0}", "Moves the new head, besides the track."),
        (7, "rotate", "rotate", "14", "Turns the new head about the neck."),
        (7, "scale", "scale", "1", "Scales the new head about the neck."),
        (7, "hair", "hair", "3", "How far hair stands out from the head's matte. Needs head_clean."),
        (7, "hair_key", "hair key", "0.03", "Luma that hair differs from what is behind it. Smaller keeps more."),
        (18, "head_black", "head black", black, "The darkest part of the head, picked in the new head."),
        (18, "head_white", "head white", white, "Its lightest part that is not a glint, picked in the new head."),
        (18, "plate_black", "plate black", _picked(BLACK), "The same dark part, picked in the plate."),
        (18, "plate_white", "plate white", _picked(WHITE), "The same light part, picked in the plate."),
    ]
    lines = [" name NewHead1", f' help "{HELP}"', " tile_color 0x5c3d6cff", ' addUserKnob {20 Bipack l "new head"}']
    for kind, name, label, value, tip in knobs:
        lines += [f' addUserKnob {{{kind} {name} l "{label}" t "{tip}"}}', f" {name} {value}"]
    head = f"Group {{\n inputs {len(INPUTS)}\n" + "\n".join(lines) + "\n}\n"
    return head + _body(sample) + f"end_group\nset {HANDLE}NewHead1 [stack 0]\n"


def _body(sample: str) -> str:
    placing = {
        "translate": _scaled("move"),
        "rotate": "{{parent.rotate}}",
        "scale": "{{parent.scale}}",
        "center": "{{parent.neck.x} {parent.neck.y}}",
        "black_outside": "true",
    }
    match = {
        "channels": "rgb",
        "blackpoint": _colors("head_black", 0),
        "whitepoint": _colors("head_white", 1),
        "black": _colors("plate_black", 0),
        "white": _colors("plate_white", 1),
        "black_clamp": "false",
    }
    width = "{{parent.hair*parent.zoom}}"
    key = f"clamp(abs{LUMA}/parent.hair_key-0.5)*(1-clamp(Aa))*[exists parent.input2]"
    hair = {f"expr{place}": f"A{name}*Aa*Ba" for place, name in enumerate("rgb")}
    plus = {f"expr{place}": f"B{name}+A{name}" for place, name in enumerate("rgb")}
    side = {"channels": "rgb", "bbox": '"B side"'}
    return "".join(
        [
            *(_input(*given) for given in INPUTS),
            _backdrop("clean-plate patch", -160, 60, 520, 260),
            _node(
                "Transform", "PatchFrom", ["plate"], (-120, 140), translate=_scaled("patch_from"), black_outside="false"
            ),
            _node("Expression", "OldEllipse", ["plate"], (120, 140), expr3=_ellipse("old")),
            _switch("OldHead", ["OldEllipse", "old_head"], (120, 220), 3),
            _node("Keymix", "Patched", ["plate", "PatchFrom", "OldHead"], (0, 260), **side),
            _backdrop("grade match", 520, 60, 460, 140),
            _node("Grade", "GradeMatch", ["head"], (560, 140), **match),
            _node("Grade", "CleanMatch", ["head_clean"], (840, 140), **match),
            _backdrop("hair roto", 520, 240, 760, 350),
            _node("Expression", "HeadRoto", ["GradeMatch"], (560, 320), expr3=f"a*{_ellipse('new')}"),
            _node("Dilate", "HairWide", ["HeadRoto"], (700, 360), channels="alpha", size=width),
            _node("Blur", "HairSoft", ["HairWide"], (700, 420), channels="alpha", size=width),
            _switch("HairRoto", ["HairSoft", "hair"], (700, 480), 4),
            _node(
                "MergeExpression",
                "HairKey",
                ["CleanMatch", "GradeMatch"],
                (840, 360),
                **{f"expr{place}": f"A{name}-B{name}" for place, name in enumerate("rgb")},
                expr3=f'"{key}"'.replace("[", "\\["),
            ),
            _node("MergeExpression", "Hair", ["HairRoto", "HairKey"], (840, 540), **hair, expr3="Aa*Ba"),
            _backdrop("merge and regrain", -160, 620, 1140, 480),
            _node("Transform", "HeadPlaced", ["HeadRoto"], (560, 680), **placing),
            _node("Transform", "HairPlaced", ["Hair"], (840, 680), **placing),
            _node("MergeExpression", "HairOn", ["Patched", "HairPlaced"], (280, 740), **plus),
            _node("Keymix", "HeadOn", ["HairOn", "HeadPlaced", "HeadPlaced"], (280, 820), **side),
            _node("MergeExpression", "HeadAndOld", ["OldHead", "HeadPlaced"], (0, 820), expr3="max(Aa,Ba)"),
            _node("MergeExpression", "Changed", ["HeadAndOld", "HairPlaced"], (0, 880), expr3="max(Aa,Ba)"),
            _inputs(["HeadOn", "plate", None, "Changed"]),
            _gizmo("BipackRegrain", "Regrain", 4, (280, 960), sample=sample, patch_size="24"),
            _node("Expression", "Inside", ["Changed"], (0, 960), expr3="a>0"),
            _node("Keymix", "IntoPlate", ["plate", "Regrain", "Inside"], (0, 1040), **side),
            _node("Output", "Output1", ["IntoPlate"], (0, 1120)),
        ]
    )


def _track() -> tuple[str, str]:
    """Neck and zoom of the sample, as a tracker would give them: keys on every frame."""
    keys: list[tuple[int, float, float, float]] = []
    for frame in FRAMES:
        share = (frame - FRAMES[0]) / (len(FRAMES) - 1)
        x, y, span = (start + share * (end - start) for start, end in zip(*VIEW))
        size = WIDTH / span
        keys.append((frame, (NECK[0] - x) * size + WIDTH / 2, HEIGHT / 2 - (NECK[1] - y) * size, VIEW[0][2] / span))
    curves = ["{curve " + " ".join(f"x{key[0]} {key[place]:.4f}" for key in keys) + "}" for place in (1, 2, 3)]
    return "{" + curves[0] + " " + curves[1] + "}", "{" + curves[2] + "}"


def _ellipse(which: str) -> str:
    """1 in an ellipse beside the neck, falling to 0 at its edge."""
    offset, size = f"parent.{which}_offset", f"parent.{which}_size"
    sides = "+".join(f"pow(({c}-parent.neck.{c}-{offset}.{c}*parent.zoom)/({size}.{c}*parent.zoom),2)" for c in "xy")
    return f"clamp((1-sqrt({sides}))*{size}.y/parent.edge)"


def _picked(color: Sequence[float], gain: Sequence[float] = (1, 1, 1)) -> str:
    return _numbers(*(round(value * factor, 6) for value, factor in zip(color, gain)))


def _numbers(*values: object) -> str:
    return "{" + " ".join(str(value) for value in values) + "}"


def _colors(knob: str, alpha: int) -> str:
    return _numbers(*(f"{{parent.{knob}.{name}}}" for name in "rgb"), alpha)


def _scaled(knob: str) -> str:
    return f"{{{{parent.{knob}.x*parent.zoom}} {{parent.{knob}.y*parent.zoom}}}}"


def _input(name: str, number: int, x: int, label: str) -> str:
    return _node("Input", name, [], (x, -80), **({"label": f'"{label}"'} if label else {}), number=str(number))


def _switch(name: str, inputs: list[str | None], at: tuple[int, int], number: int) -> str:
    """The second where something is connected to that input of the group."""
    return _node("Switch", name, inputs, at, which=f'{{{{"\\[exists parent.input{number}]"}}}}')


def _read(name: str, x: int) -> str:
    ends = {"first": 0, "last": -1, "origfirst": 0, "origlast": -1}
    file = '"\\[file dirname \\[value root.name]]/../../samples/otter/otter.%04d.exr"'
    numbers = {knob: str(FRAMES[place]) for knob, place in ends.items()}
    return _node("Read", name, [], (x, -80), file_type="exr", file=file, **numbers, origset="true", raw="true")


def _write() -> str:
    file = '"\\[file dirname \\[value root.name]]/out/new_head.%04d.exr"'
    told = {"channels": "all", "raw": "true", "create_directories": "true"}
    return _node("Write", "Write1", ["NewHead1"], (0, 320), file=file, file_type="exr", **told)


def _backdrop(title: str, x: int, y: int, width: int, height: int) -> str:
    name = "Backdrop_" + title.replace(" ", "_").replace("-", "_")
    size = {"bdwidth": str(width), "bdheight": str(height)}
    return _node("BackdropNode", name, [], (x, y), label=f'"{title}"', **size, tile_color="0x4a4a4aff")


def _inputs(names: Sequence[str | None]) -> str:
    return "".join(f"push {'0' if name is None else f'${HANDLE}{name}'}\n" for name in reversed(names))


def _node(kind: str, name: str, inputs: Sequence[str | None], at: tuple[int, int], **knobs: str) -> str:
    values = [f"{knob} {value}" for knob, value in knobs.items()]
    body = [f"inputs {len(inputs)}", *values, f"name {name}", f"xpos {at[0]}", f"ypos {at[1]}"]
    text = f"{kind} {{\n" + "".join(f" {line}\n" for line in body) + "}\n"
    return _inputs(inputs) + text + f"set {HANDLE}{name} [stack 0]\n"


def _gizmo(gizmo: str, name: str, inputs: int, at: tuple[int, int], **knobs: str) -> str:
    """A gizmo as Nuke saves it: the whole Group."""
    lines = (GIZMOS / f"{gizmo}.gizmo").read_text(encoding="utf-8").splitlines()
    end = lines.index("}")
    changed = {"name": name, **knobs}
    kept = [line for line in lines[1:end] if line.split(" ", 2)[1] not in changed]
    own = [f" {knob} {value}" for knob, value in changed.items()]
    body = ["Group {", f" inputs {inputs}", *kept, *own, f" xpos {at[0]}", f" ypos {at[1]}", *lines[end:]]
    return "\n".join(body) + f"\nset {HANDLE}{name} [stack 0]\n"


def files() -> Iterator[tuple[Path, str]]:
    """Every file with the text that belongs into it."""
    root = f"Root {{\n inputs 0\n first_frame {FRAMES[0]}\n last_frame {FRAMES[-1]}\n frame {FRAMES[0]}\n}}\n"
    yield GIZMOS / "examples/new_head.nk", "version 14.0 v5\n" + root + example()
    yield GIZMOS / "toolsets/new_head_into_the_plate.nk", "version 14.0 v5\n" + toolset()
