"""BipackFaceRegions: tracks faces in the background and gives a matte of the chosen region."""

from __future__ import annotations

import fragments as fr
from nk import Graph, linked, quoted
from panel import callback, group_text

from bipack.face_regions import MATTES

HELP = (
    "Finds faces, tracks them and cuts mattes of their regions: eyes, mouth, cheeks, forehead, nose, chin, neck, ears, "
    "hair. Connect the plate and press Track and cut; it runs in the background. The chosen region goes out as alpha; "
    "Make Read gives all of them. The track can be pasted as nodes."
)
ABSENT = "nuke.message('Bipack is not installed in this Nuke. Add its folder to NUKE_PATH and start Nuke again.')"
DEVICES = ("auto", "cpu", "cuda", "cuda:0", "cuda:1")


class Lines:
    """Lines of user knobs, as the panel of other gizmos has them."""

    def __init__(self) -> None:
        self.lines: list[str] = ["addUserKnob {20 Bipack}"]

    def knob(self, kind: int, name: str, label: str, tip: str, value: str = "", more: str = "") -> None:
        """One knob with its value."""
        tail = f" {more}" if more else ""
        self.lines.append(f"addUserKnob {{{kind} {name} l {quoted(label)} t {quoted(tip)}{tail}}}")
        if value:
            self.lines.append(f"{name} {value}")

    def button(self, name: str, label: str, tip: str, module: str = "faces_panel") -> None:
        """A button that calls a function of the host package."""
        call = callback(module, f"{name}(nuke.thisNode())", ABSENT)
        self.lines.append(f"addUserKnob {{22 {name} l {quoted(label)} t {quoted(tip)} T {call}}}")

    def menu(self, name: str, label: str, tip: str, values: tuple[str, ...]) -> None:
        """A menu; the first value is the default."""
        self.knob(4, name, label, tip, more="M {" + " ".join(quoted(value) for value in values) + ' ""}')

    def divider(self, name: str, tip: str) -> None:
        """A line across the panel."""
        self.knob(26, name, "", tip, more="+STARTLINE")

    def group(self, name: str, label: str) -> None:
        """Open a closed group of knobs."""
        self.lines.append(f"addUserKnob {{20 {name} l {quoted(label)} n 2}}")

    def end(self, name: str) -> None:
        """Close it."""
        self.lines.append(f"addUserKnob {{20 end_{name} n -1}}")


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    plate = fr.add_input(graph, "plate", 0, 0)
    graph.add(
        "Write", "WritePlate", plate, column=-2, file_type="exr", channels="rgb", raw="true", create_directories="true",
        label=quoted("runs only while the plate is written"), disable="true",
    )  # fmt: skip
    mattes = graph.add("Read", "Mattes", column=2, raw="true", on_error="black")
    clear = graph.add("Expression", "NoMattes", plate, column=1, expr3="0")
    picked = graph.add("Copy", "PickRegion", plate, mattes, column=2, from0="rgba.alpha", to0="rgba.alpha")
    matted = graph.add("Switch", "Matted", clear, picked, column=1, which=linked("parent.cooked"))
    here = graph.add("CopyBBox", "MattedHere", matted, plate, column=1)
    tinted = graph.add(
        "Expression", "Overlay", here, column=2,
        expr0="r*(1-0.5*a)+0.5*a", expr1="g*(1-0.5*a)", expr2="b*(1-0.5*a)+0.1*a",
    )  # fmt: skip
    alone = graph.add("Expression", "MatteAlone", here, column=3, expr0="a", expr1="a", expr2="a")
    shown = graph.add("Switch", "View", here, tinted, alone, which=linked("parent.view"))
    graph.add("Output", "Output1", shown)
    text = group_text("BipackFaceRegions", HELP, "0x3d6c5aff", _panel(), graph.text(), preset=False)
    changed = callback("faces_panel", "region_chosen(nuke.thisNode()) if nuke.thisKnob().name() == 'region' else None")
    return text.replace(" note_font_color 0xffffffff\n", f" note_font_color 0xffffffff\n knobChanged {changed}\n", 1)


def _panel() -> Lines:
    panel = Lines()
    panel.menu("region", "region", "Which region goes out as alpha.", ("mouth", *(n for n in MATTES if n != "mouth")))
    panel.menu("view", "view", "The plate with the matte in alpha, the matte in red over it, or the matte alone.",
               ("plate", "overlay", "matte"))  # fmt: skip
    panel.divider("run_divider", "The run.")
    panel.knob(6, "use_script_range", "use the script's frame range",
               "Track the first to the last frame of the project settings. Untick to give your own.", "true",
               "+STARTLINE")  # fmt: skip
    panel.knob(3, "first", "first frame", "First frame, when the script's range is not used.", "1")
    panel.knob(3, "last", "last", "Last frame, when the script's range is not used.", "100", "-STARTLINE")
    panel.button("track", "Track and cut", "Writes the plate, then finds and tracks faces and cuts their mattes in the "
                 "background. You can go on working.")  # fmt: skip
    panel.button("stop", "Stop", "Ends the run. Finished frames stay.")
    panel.button("show_mattes", "Show again", "Looks again at the folder, after a farm or another session cooked it.")
    panel.knob(26, "status", "status", "What was found, and how the run stands.", more='T "not tracked yet"')
    panel.divider("track_divider", "The track.")
    panel.knob(2, "track_file", "own track", "A track of your own where faces are not found: .json, or .nk with a "
               "CornerPin2D (corners of the crop) or a Tracker. Empty finds faces.")  # fmt: skip
    panel.knob(3, "face", "face", "Number of the face that is cut; 0 takes all of them.", "0")
    panel.button("paste_track", "Paste track", "Puts a Tracker, the stabilised crop and its way back into the script.")
    panel.button("make_read", "Make Read", "A Read of all region mattes, for roto and further nodes.")
    panel.divider("crop_divider", "The crops, and their way back.")
    panel.button("read_crops", "Read crops", "A Read of the stabilised crop of the face, with its mattes.")
    panel.knob(2, "edited", "edited crops", "Crops that were edited, such as edited.%04d.exr.")
    panel.button("put_back", "Put back", "Puts what was edited in the crops back into the plate, and reads the result. "
                 "All else keeps every bit of the plate.")  # fmt: skip
    panel.divider("matte_divider", "The mattes; press Track and cut after a change.")
    panel.knob(7, "grow", "grow", "Pixels of a 1024 crop by which mattes grow; below 0 they shrink.", "0", "R -64 64")
    panel.knob(7, "feather", "feather", "Softness of the mattes, in pixels of a 1024 crop.", "0", "R 0 128")
    panel.knob(3, "steady", "steady", "Frames on each side that have a say where nothing moves.", "1")
    panel.group("more_group", "crops, folder and device")
    panel.knob(6, "crops", "write crops", "Also write the stabilised crop of every face, with its mattes.", "true",
               "+STARTLINE")  # fmt: skip
    panel.knob(3, "crop_size", "crop size", "Side of the crops in pixels.", "1024")
    panel.knob(6, "super_res", "super-res", "Brings a face that is small in the plate to the crop size by a super-res "
               "model, so that models see 1024 pixels of face with detail. What you do not edit keeps every bit of the "
               "plate.", "false", "-STARTLINE")  # fmt: skip
    panel.knob(1, "model", "parser", "Name or folder of another parser, such as one trained on this shot.")
    panel.knob(1, "folder", "folder", "Folder for plate, mattes and track. Empty takes the cache folder.")
    panel.menu("device", "device", "What the parser runs on.", DEVICES)
    panel.end("more_group")
    panel.knob(6, "cooked", "", "True once there are mattes.", "false", "+INVISIBLE")
    return panel
