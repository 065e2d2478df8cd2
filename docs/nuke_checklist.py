"""Five minutes on a real Nuke: checks what Bipack takes for granted about Nuke and could not look up.

In the GUI: File > Comp Script Editor… open this file there (or paste `exec(open("…/docs/nuke_checklist.py").read())`)
and run it in an empty script. In a terminal: `nuke -t docs/nuke_checklist.py`. It works inside one group that it
removes again, writes to a temporary folder only and adds two small formats. For each check it prints PASS, FAIL or INFO
with what was found. Please send us the output; see docs/check_on_real_nuke.md for what each line means.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import nuke

RUN_TERMINAL_CHECKS = False
"""True starts one `nuke -t` beside this session (it takes a render licence for a minute)."""

CHECKS = []
FOLDER = tempfile.mkdtemp(prefix="bipack-checklist-").replace("\\", "/")


def check(function):
    """Register a check. Its docstring is the fact; it returns what it found (INFO after a ~), or raises."""
    CHECKS.append(function)
    return function


def say(line):
    """Print, as the Script Editor shows it."""
    sys.stdout.write(line + "\n")


# -- building blocks -------------------------------------------------------------------------------------------------


def make(kind, *inputs, **knobs):
    """A node with inputs and knobs."""
    node = getattr(nuke.nodes, kind)()
    for index, found in enumerate(inputs):
        node.setInput(index, found)
    for name, value in knobs.items():
        node[name].setValue(value)
    return node


def picture(expression="x / 64 + frame", width=64, height=48):
    """A picture of the given size whose red, green and blue are `expression`."""
    name = f"bipack_checklist_{width}x{height}"
    nuke.addFormat(f"{width} {height} 1 {name}")
    base = make("Constant", channels="rgb", format=name)
    return make("Expression", base, expr0=expression, expr1=expression, expr2=expression)


def impulse(x=32, y=24):
    """One white pixel."""
    return picture(f"x == {x} && y == {y}")


def red(node, x, y):
    """Red of pixel (x, y)."""
    return node.sample("rgba.red", x + 0.5, y + 0.5)


def writer(source, name, **knobs):
    """A Write of raw EXR into the temporary folder."""
    node = make("Write", source, file=f"{FOLDER}/{name}.%04d.exr", file_type="exr", channels="rgba", raw=True)
    for knob, value in knobs.items():
        node[knob].setValue(value)
    return node


def reader(name, first=1, last=1):
    """A Read of what `writer` wrote."""
    node = make("Read", file=f"{FOLDER}/{name}.%04d.exr", raw=True)
    for knob, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
        node[knob].setValue(value)
    node["reload"].execute()
    return node


def close(found, expected, tolerance=1e-6):
    """Raise unless the two are the same number."""
    assert abs(found - expected) <= tolerance, f"found {found!r}, expected {expected!r}"


# -- EXR out and in --------------------------------------------------------------------------------------------------


@check
def datatype_labels():
    """EXR Write offers a datatype beginning with '16 bit' and one with '32 bit'."""
    labels = [str(label) for label in writer(picture(), "labels")["datatype"].values()]
    assert any(label.startswith("16 bit") for label in labels), labels
    assert any(label.startswith("32 bit") for label in labels), labels
    return labels


@check
def compression_labels():
    """EXR Write offers a compression beginning with 'Zip (16 scanline'."""
    labels = [str(label) for label in writer(picture(), "labels")["compression"].values()]
    assert any(label.lower().startswith("zip (16 scanline") for label in labels), labels
    return labels


@check
def write_knobs():
    """These are knobs of Write: create_directories, autocrop, use_limit, reading, raw, render_order."""
    node = writer(picture(), "names")
    for name in ("create_directories", "autocrop", "use_limit", "reading", "raw", "render_order"):
        assert name in node.knobs(), name


@check
def exact_values():
    """Raw EXR, written and read again, keeps values above 1 and below 0 exactly."""
    write = writer(picture("x == 3 ? 12.5 : -0.25"), "raw")
    nuke.execute(write, 1, 1)
    read = reader("raw")
    close(red(read, 3, 5), 12.5)
    close(red(read, 4, 5), -0.25)


@check
def read_format():
    """A Read whose file was set by Python takes its format from the file."""
    nuke.execute(writer(picture(width=50, height=30), "format"), 1, 1)
    read = reader("format")
    assert (read.width(), read.height()) == (50, 30), (read.width(), read.height())


@check
def data_window():
    """The bounding box is kept as EXR data window, overscan included."""
    grown = make("AdjBBox", picture(), numpixels=8)
    nuke.execute(writer(grown, "window"), 1, 1)
    box = reader("window").bbox()
    return f"~ bbox of the file: {box.x()} {box.y()} {box.w()} {box.h()}"


@check
def on_error_labels():
    """Read.on_error offers: error, black, checkerboard, nearest frame."""
    labels = [str(label) for label in make("Read")["on_error"].values()]
    assert [label.split()[0] for label in labels] == ["error", "black", "checkerboard", "nearest"], labels
    return labels


@check
def missing_frame():
    """A missing frame inside the Read's range stops the render."""
    nuke.execute(writer(picture(), "gap"), 1, 1)
    nuke.execute(writer(picture(), "gap"), 3, 3)
    write = writer(reader("gap", 1, 3), "gap_out")
    try:
        nuke.execute(write, 2, 2)
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    raise AssertionError("frame 2 was rendered without its file")


@check
def frames_outside_the_range():
    """Outside its range a Read holds its ends without an error."""
    nuke.execute(writer(picture("frame"), "hold"), 1, 1)
    read = reader("hold")
    write = writer(read, "hold_out")
    nuke.execute(write, 5, 5)
    return "~ Read before/after are {} and {}".format(read["before"].value(), read["after"].value())


@check
def raw_colorspace():
    """The data/raw colorspace that a Write offers."""
    knob = make("Write").knob("colorspace")
    labels = [str(label).split("\t")[0] for label in knob.values()] if knob is not None else []
    raw = [
        label for label in labels if label.split("/")[-1].strip().lower() in ("raw", "data", "utility - raw", "none")
    ]
    return f"~ {len(raw)} of {len(labels)} spaces: {raw}"


# -- executing -------------------------------------------------------------------------------------------------------


@check
def execute_from_a_button():
    """A button may call nuke.execute."""
    group = nuke.nodes.Group()
    write = writer(picture(), "button")
    text = f"nuke.execute(nuke.toNode({write.fullName()!r}), 1, 1)"
    group.addKnob(nuke.PyScript_Knob("go", "go", text))
    group["go"].execute()
    assert os.path.isfile(f"{FOLDER}/button.0001.exr"), "nothing was written"


@check
def execute_in_a_group():
    """A Write inside a group can be executed while the group is disabled outside a render."""
    source = picture()
    group = make("Group", source)
    with group:
        inner = make("Input")
        write = make("Write", inner, file=FOLDER + "/inner.%04d.exr", file_type="exr", raw=True, disable=True)
        make("Output", inner)
    write["disable"].setValue(False)
    nuke.execute(write, 1, 1)
    write["disable"].setValue(True)
    assert os.path.isfile(FOLDER + "/inner.0001.exr"), "nothing was written"


@check
def nested_execute():
    """nuke.executing() is False in a script and True in a render; execute in a render is refused."""
    seen = []

    def during():
        seen.append(bool(nuke.executing()))
        try:
            nuke.execute(other, 1, 1)
        except RuntimeError as error:
            seen.append(str(error))

    other = writer(picture(), "nested")
    write = writer(picture(), "executing")
    assert not nuke.executing(), "True while nothing renders"
    nuke.addBeforeRender(during)
    try:
        nuke.execute(write, 1, 1)
    finally:
        nuke.removeBeforeRender(during)
    assert seen and seen[0], "not called, or False during a render"
    assert len(seen) > 1 and "already executing" in seen[1], seen
    return seen[1]


@check
def before_render():
    """An exception in beforeRender stops the render, and thisNode() is the Write."""
    names = []

    def refuse():
        names.append(nuke.thisNode().Class())
        raise RuntimeError("Bipack says no")

    write = writer(picture(), "refused")
    nuke.addBeforeRender(refuse)
    try:
        nuke.execute(write, 1, 1)
    except RuntimeError as error:
        told = str(error)
    else:
        raise AssertionError("the render went on")
    finally:
        nuke.removeBeforeRender(refuse)
    assert names == ["Write"], names
    assert not os.path.isfile(FOLDER + "/refused.0001.exr"), "the frame was written"
    return told


@check
def full_resolution():
    """setProxy(False) makes nuke.execute render at full size."""
    root = nuke.root()
    before = bool(root.knob("proxy").value())
    root.setProxy(True)
    try:
        root.setProxy(False)
        nuke.execute(writer(picture(), "proxy"), 1, 1)
    finally:
        root.setProxy(before)
    assert reader("proxy").width() == 64, reader("proxy").width()


# -- nodes of the gizmos ---------------------------------------------------------------------------------------------


@check
def gui_variable():
    """The expression $gui is 1 in the GUI and 0 outside."""
    node = make("Switch")
    node["which"].setExpression("$gui")
    close(node["which"].value(), 1 if nuke.GUI else 0)


@check
def switch():
    """Switch: input 0 is the first input, top of the stack; `!$gui || a == 0` is evaluated."""
    node = make("Switch", picture("0.25"), picture("0.75"))
    node["which"].setExpression("1 == 0 || 2 > 1")
    close(red(node, 3, 3), 0.75)


@check
def dissolve():
    """Dissolve: which = 1 is input 1 to the bit, 0.25 a quarter of it."""
    other = picture("3.7")
    node = make("Dissolve", picture("0.5"), other, which=1)
    assert red(node, 3, 3) == red(other, 3, 3), (red(node, 3, 3), red(other, 3, 3))
    node["which"].setValue(0.25)
    close(red(node, 3, 3), 0.25 * 3.7 + 0.75 * 0.5)


@check
def copy():
    """Copy: its `channels` come from input 1 to the bit, all others from input 0."""
    back, front = picture("0.25"), picture("3.7")
    node = make("Copy", back, front, from0="none", to0="none", channels="rgb")
    assert red(node, 3, 3) == red(front, 3, 3), (red(node, 3, 3), red(front, 3, 3))
    node["channels"].setValue("alpha")
    assert red(node, 3, 3) == red(back, 3, 3), (red(node, 3, 3), red(back, 3, 3))


@check
def keymix():
    """Keymix: inputs are B, A, mask; outside the mask B is kept to the bit."""
    mask = make("Expression", picture("0"), expr3="x < 10")
    node = make("Keymix", picture("0.3"), picture("0.9"), mask)
    node["maskChannel"].setValue("rgba.alpha")
    close(red(node, 3, 3), 0.9)
    assert red(node, 30, 3) == red(picture("0.3"), 30, 3), "B changed outside the mask"


@check
def reformat():
    """Reformat by scale 2 keeps the picture in place (no half-pixel shift)."""
    node = make("Reformat", impulse(32, 24), type="scale", scale=2)
    near = [red(node, x, 48) for x in range(60, 70)]
    center = sum(x * value for x, value in zip(range(60, 70), near)) / sum(near)
    assert node.width() == 128, node.width()
    close(center, 64.5, 1e-3)
    return [f"{value:.4f}" for value in near]


@check
def reformat_fraction():
    """Reformat by a fraction rounds its format to the nearest pixel, as the super-res worker does."""
    node = make("Reformat", impulse(32, 24), type="scale", scale=1.37)
    assert (node.width(), node.height()) == (88, 66), (node.width(), node.height())


@check
def exists_input():
    """`[exists parent.input1]` tells whether a group's second input is connected."""
    group = make("Group", picture())
    with group:
        make("Input")
        second = make("Input")
        second["number"].setValue(1)
        node = make("NoOp")
        node["disable"].setExpression("![exists parent.input1]")
        make("Output", node)
    assert node["disable"].value(), "False with nothing connected"
    group.setInput(1, picture())
    assert not node["disable"].value(), "True with an input connected"


@check
def link_knob():
    """A link knob to an inner node's menu sets it."""
    group = nuke.nodes.Group()
    with group:
        read = make("Read", name="Cooked")
    knob = nuke.Link_Knob("missing", "missing")
    group.addKnob(knob)
    knob.makeLink("Cooked", "on_error")
    group["missing"].setValue("black")
    assert read["on_error"].value() == "black", read["on_error"].value()


@check
def time_knob_names():
    """FrameHold's knob is called firstFrame or first_frame; TimeOffset's time_offset."""
    names = [name for name in ("firstFrame", "first_frame") if name in make("FrameHold").knobs()]
    assert names, "neither"
    assert "time_offset" in make("TimeOffset").knobs()
    return names


@check
def time_offset():
    """TimeOffset: an offset of 2 shows frame 8 at frame 10."""
    write = writer(make("TimeOffset", picture("frame"), time_offset=2), "offset")
    nuke.execute(write, 10, 10)
    close(red(reader("offset", 10, 10), 3, 3), 8)


# -- knobs and text --------------------------------------------------------------------------------------------------


@check
def saved_knobs():
    """An INVISIBLE user knob, and a Text knob's value, are saved with the node."""
    group = nuke.nodes.Group()
    hidden = nuke.String_Knob("mark", "mark", "BipackModel")
    hidden.setFlag(nuke.INVISIBLE)
    group.addKnob(hidden)
    group.addKnob(nuke.Text_Knob("status", "status", "fresh: 1-10"))
    for node in nuke.allNodes():
        node.setSelected(node is group)
    nuke.nodeCopy(FOLDER + "/saved.nk")
    with open(FOLDER + "/saved.nk") as stream:
        text = stream.read()
    assert "+INVISIBLE" in text, text
    assert "fresh: 1-10" in text, text


@check
def write_knobs_text():
    """writeKnobs(WRITE_NON_DEFAULT_ONLY | TO_SCRIPT) names knobs that were changed and no others."""
    node = make("Blur", size=7)
    text = node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)
    assert "size 7" in text, text
    assert "quality" not in text and "filter" not in text, text


@check
def expressions():
    """An expression counts as animation; dependencies(EXPRESSIONS) names its source."""
    source, node = make("NoOp"), make("Blur")
    source.addKnob(nuke.Double_Knob("amount", "amount"))
    node["size"].setExpression(f"{source.name()}.amount")
    assert node["size"].isAnimated() or node["size"].hasExpression(), "neither"
    names = [found.name() for found in node.dependencies(nuke.EXPRESSIONS)]
    assert source.name() in names, names


@check
def script_form():
    """toScript and fromScript carry a user knob's animation."""
    node = make("NoOp")
    for name in ("a", "b"):
        node.addKnob(nuke.Double_Knob(name, name))
    node["a"].setAnimated()
    node["a"].setValueAt(1.0, 1)
    node["a"].setValueAt(3.0, 11)
    node["b"].fromScript(node["a"].toScript())
    close(node["b"].getValueAt(11), 3.0)


@check
def menu_values():
    """setValues of a menu keeps a value that stays in the list."""
    node = make("NoOp")
    node.addKnob(nuke.Enumeration_Knob("menu", "menu", ["a", "b"]))
    node["menu"].setValue("b")
    node["menu"].setValues(["a", "x", "b"])
    return "~ value afterwards: {}".format(node["menu"].value())


@check
def evaluated_file():
    """nuke.filename of a Read evaluates Tcl and keeps the padding."""
    found = nuke.filename(make("Read", file="[join {/a/b c} _].%04d.exr"))
    assert found == "/a/b_c.%04d.exr", found


@check
def op_hashes():
    """opHashes: Bipack does not use them; for the record."""
    node = picture()
    node.metadata("input/filename", 1)
    return f"~ {node.opHashes()}"


@check
def knob_changed():
    """knobChanged is called for a change made by Python."""
    seen = []
    nuke.addKnobChanged(lambda: seen.append(nuke.thisKnob().name()), nodeClass="Blur")
    make("Blur")["size"].setValue(3)
    return "~ {}".format("yes" if "size" in seen else "no")


# -- kernels that the finishing gizmos lean on -----------------------------------------------------------------------


def taps(node, reach=14):
    """One row of a kernel, from an impulse at x = 32."""
    return [red(node, 32 + offset, 24) for offset in range(-reach, reach + 1)]


def deviation(row):
    """Standard deviation of a kernel's row, in pixels."""
    middle, total = len(row) // 2, sum(row)
    return (sum(value * (index - middle) ** 2 for index, value in enumerate(row)) / total) ** 0.5


@check
def triangle_blur():
    """Blur, triangle: kernel for sizes 2, 4 and 8."""
    found = []
    for size in (2, 4, 8):
        row = taps(make("Blur", impulse(), channels="rgba", size=size, filter="triangle"))
        assert all(abs(a - b) < 1e-5 for a, b in zip(row, reversed(row))), "not symmetric"
        found.append(f"size {size}: sigma {deviation(row):.3f}")
    return "~ " + ", ".join(found)


@check
def gaussian_blur():
    """Blur, gaussian: kernel for sizes 2, 4 and 8."""
    rows = [taps(make("Blur", impulse(), channels="rgba", size=size, filter="gaussian")) for size in (2, 4, 8)]
    return "~ " + ", ".join(f"size {s}: sigma {deviation(row):.3f}" for s, row in zip((2, 4, 8), rows))


@check
def median():
    """Median removes a single pixel; Bilateral exists."""
    close(red(make("Median", impulse(), channels="rgba", size=3), 32, 24), 0.0)
    names = [name for name in ("Bilateral", "Bilateral2") if hasattr(nuke.nodes, name)]
    return f"~ {names}"


# -- threads and the session -----------------------------------------------------------------------------------------


@check
def plugin_path():
    """pluginAddPath twice leaves one entry, and puts it on sys.path."""
    for _time in range(2):
        nuke.pluginAddPath(FOLDER)
    assert [path.rstrip("/") for path in nuke.pluginPath()].count(FOLDER) == 1, nuke.pluginPath()
    return f"on sys.path: {FOLDER in sys.path}"


@check
def python():
    """The parts of Python that Bipack uses are there."""
    import hashlib
    import json
    import queue

    assert sys.version_info >= (3, 9), sys.version
    try:
        import numpy

        bundled = f"numpy {numpy.__version__}"
    except ImportError:
        bundled = "no numpy"
    del hashlib, json, queue
    return f"~ Python {sys.version.split()[0]}, {bundled}"


@check
def main_thread():
    """executeInMainThreadWithResult gives a result to a thread (GUI only; press on if it waits)."""
    if not nuke.GUI:
        return "~ not in terminal mode"
    found = []
    thread = threading.Thread(target=lambda: found.append(nuke.executeInMainThreadWithResult(lambda: 42)))
    thread.start()

    def report():
        say(f"     late answer of executeInMainThreadWithResult: {found}")

    threading.Timer(2.0, lambda: nuke.executeInMainThread(report)).start()
    return "~ asked; the answer is printed two seconds from now and should be [42]"


@check
def progress_task():
    """ProgressTask can be made and used in a thread."""
    failed = []

    def use():
        try:
            task = nuke.ProgressTask("Bipack checklist")
            for percent in (10, 60, 100):
                task.setMessage("checking")
                task.setProgress(percent)
                task.isCancelled()
            del task
        except Exception as error:
            failed.append(repr(error))

    thread = threading.Thread(target=use)
    thread.start()
    deadline = time.time() + 5
    while thread.is_alive() and time.time() < deadline:
        thread.join(0.1)
    assert not thread.is_alive(), "it waits for the main thread"
    assert not failed, failed


TERMINAL_PROBE = """
import sys, nuke
print("PROBE name", __name__)
print("PROBE file", globals().get("__file__"))
print("PROBE argv", sys.argv)
print("PROBE raw", nuke.rawArgs)
sys.exit(12)
"""


@check
def terminal_mode():
    """`nuke -t` passes arguments on, and sys.exit sets the exit code."""
    if not RUN_TERMINAL_CHECKS:
        return "~ skipped; set RUN_TERMINAL_CHECKS = True at the top"
    probe = FOLDER + "/bipack_farm.py"
    with open(probe, "w") as stream:
        stream.write(TERMINAL_PROBE)
    command = [nuke.EXE_PATH, "-t", probe, FOLDER + "/a b.nk", "-X", "Write1", "-F", "1001-1010"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("PROBE")]
    assert done.returncode == 12, f"exit code {done.returncode}, {lines}"
    return lines


# -- running ---------------------------------------------------------------------------------------------------------


def run():
    """Run all checks; returns the number that failed."""
    failed = 0
    say(f"Bipack checklist on Nuke {nuke.NUKE_VERSION_STRING}, GUI {nuke.GUI}")
    for function in CHECKS:
        sentence = function.__doc__
        group = nuke.nodes.Group(name="BipackChecklist")
        try:
            with group:
                found = function()
        except Exception as error:
            failed += 1
            say(f"FAIL {sentence}\n     {type(error).__name__}: {error}")
        else:
            is_info = isinstance(found, str) and found.startswith("~")
            say("{} {}".format("INFO" if is_info else "PASS", sentence))
            if found:
                say(f"     {found[2:] if is_info else found}")
        finally:
            nuke.delete(group)
    say(f"{failed} of {len(CHECKS)} checks failed.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    return failed


FAILED = run()
