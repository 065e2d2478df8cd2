"""The main thread's queue, and what only the GUI has."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import pytest
import stand_in


def in_thread(call: Any) -> list[Any]:
    """Run in another thread; [result] or [exception]."""
    out: list[Any] = []

    def run() -> None:
        try:
            out.append(call())
        except Exception as error:
            out.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    return out


def test_the_script_may_be_changed_in_the_main_thread_only(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur()
    for call in (lambda: node["size"].setValue(9), lambda: nuke.createNode("Blur"), lambda: nuke.delete(node)):
        (error,) = in_thread(call)
        assert isinstance(error, RuntimeError)
        assert "main thread" in str(error)


def test_calls_for_the_main_thread_wait_for_the_event_loop(nuke_gui: ModuleType) -> None:
    node = nuke_gui.nodes.Blur()
    in_thread(lambda: nuke_gui.executeInMainThread(node["size"].setValue, (7,)))
    assert node["size"].value() == 0
    assert stand_in.current().main_thread.pump() == 1
    assert node["size"].value() == 7


def test_a_result_comes_back_to_the_thread_that_asked(nuke_gui: ModuleType) -> None:
    got: list[Any] = []
    thread = threading.Thread(
        target=lambda: got.append(nuke_gui.executeInMainThreadWithResult(lambda a, b: a + b, (1,), {"b": 2}))
    )
    thread.start()
    assert stand_in.current().main_thread.pump_until(lambda: bool(got))
    thread.join()
    assert got == [3]


def test_an_exception_in_the_main_thread_is_printed_and_gives_none(nuke_gui: ModuleType) -> None:
    got: list[Any] = []

    def fail() -> None:
        raise ValueError("lost")

    thread = threading.Thread(target=lambda: got.append(nuke_gui.executeInMainThreadWithResult(fail)))
    thread.start()
    assert stand_in.current().main_thread.pump_until(lambda: bool(got))
    thread.join()
    assert got == [None]
    assert "ValueError: lost" in stand_in.current().main_thread.printed[0]


def test_waiting_in_the_main_thread_for_itself_is_refused(nuke_gui: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="wait for itself"):
        nuke_gui.executeInMainThreadWithResult(lambda: 1)


def test_without_the_gui_nothing_runs_the_queue(nuke: ModuleType) -> None:
    call = lambda: pytest.fail("nothing pumps the queue in terminal mode")  # noqa: E731
    nuke.executeInMainThread(call)
    assert stand_in.current().main_thread.pump() == 0
    assert stand_in.current().main_thread.never_run == [call]
    (error,) = in_thread(lambda: nuke.executeInMainThreadWithResult(call))
    assert isinstance(error, RuntimeError)


@pytest.mark.parametrize("name", ["menu", "toolbar", "ask", "scriptNew"])
def test_gui_functions_fail_in_the_terminal(nuke: ModuleType, name: str) -> None:
    arguments = () if name == "scriptNew" else ("Nodes",)
    with pytest.raises(RuntimeError, match="terminal"):
        getattr(nuke, name)(*arguments)


def test_gui_methods_fail_in_the_terminal(nuke: ModuleType) -> None:
    backdrop = nuke.nodes.BackdropNode()
    for call in (backdrop.getNodes, backdrop.showControlPanel):
        with pytest.raises(RuntimeError, match="terminal"):
            call()


def test_a_backdrop_knows_its_nodes_in_the_gui(nuke_gui: ModuleType) -> None:
    backdrop = nuke_gui.nodes.BackdropNode(xpos=0, ypos=0, bdwidth=100, bdheight=100)
    inside, outside = nuke_gui.nodes.Blur(xpos=50, ypos=50), nuke_gui.nodes.Blur(xpos=500, ypos=50)
    assert backdrop.getNodes() == [inside]
    assert outside not in backdrop.getNodes()


def test_menus_hold_commands_by_path(nuke_gui: ModuleType) -> None:
    seen: list[str] = []
    nodes = nuke_gui.menu("Nodes")
    menu = nodes.addMenu("Bipack", icon="Bipack.png")
    menu.addCommand("Super-res", lambda: seen.append("call"))
    menu.addCommand("Blur")
    nodes.addCommand("Bipack/Deep/Text", "nuke.tprint('text')")
    assert nodes.findItem("Bipack") is menu
    assert menu.icon() == "Bipack.png"
    assert [item.name() for item in menu.items()] == ["Super-res", "Blur", "Deep"]
    nodes.findItem("Bipack/Super-res").invoke()
    nodes.findItem("Bipack/Blur").invoke()
    nodes.findItem("Bipack/Deep/Text").invoke()
    assert seen == ["call"]
    assert [node.Class() for node in nuke_gui.allNodes()] == ["Blur"]
    assert stand_in.current().terminal == ["text\n"]
    with pytest.raises(RuntimeError):
        nuke_gui.menu("No such menu")
    with pytest.raises(TypeError):
        menu.addCommand("Bad", 5)


def test_messages_are_dialogs_in_the_gui_and_text_in_the_terminal(nuke: ModuleType, capsys: Any) -> None:
    nuke.message("hello")
    assert stand_in.current().messages == []
    assert capsys.readouterr().out == "hello\n"


def test_questions_need_an_answer(nuke_gui: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="no answer to: really"):
        nuke_gui.ask("really?")
    stand_in.current().answers.append(True)
    assert nuke_gui.ask("really?") is True


def test_errors_and_warnings_go_to_the_console(nuke: ModuleType) -> None:
    nuke.error("bad")
    nuke.warning("hm")
    assert stand_in.current().console == [("error", "bad"), ("warning", "hm")]
    with pytest.raises(TypeError):
        nuke.error(5)


def test_progress_takes_whole_percents_and_may_be_cancelled(nuke_gui: ModuleType) -> None:
    task = nuke_gui.ProgressTask("Cooking")
    task.setProgress(40)
    task.setMessage("frame 5")
    assert not task.isCancelled()
    with pytest.raises(TypeError):
        task.setProgress(40.5)
    stand_in.current().cancel_progress = True
    assert task.isCancelled()
    (seen,) = stand_in.current().progress_tasks
    assert (seen._seen, seen._messages, seen._closed) == ([40], ["frame 5"], False)
    del task
    assert seen._closed


def test_undo_must_pair(nuke: ModuleType) -> None:
    with pytest.raises(RuntimeError):
        nuke.Undo.enable()
    nuke.Undo.disable()
    assert nuke.Undo.disabled()
    nuke.Undo.enable()
    with nuke.Undo():
        pass


def test_frame_ranges_are_parsed(nuke: ModuleType) -> None:
    one = nuke.FrameRange("1-10x3")
    assert (one.first(), one.last(), one.increment(), list(one), one.frames()) == (1, 10, 3, [1, 4, 7, 10], 4)
    assert list(nuke.FrameRange("7")) == [7]
    assert list(nuke.FrameRange(5, 1, 2)) == [5, 3, 1]
    assert list(nuke.FrameRange("-3--1")) == [-3, -2, -1]
    many = nuke.FrameRanges("1-3, 10 20-22x2")
    assert many.toFrameList() == [1, 2, 3, 10, 20, 22]
    assert (many.size(), many.minFrame(), many.maxFrame()) == (3, 1, 22)
    assert nuke.FrameRanges([5, 6, 9]).toFrameList() == [5, 6, 9]
    assert nuke.FrameRanges(["1-2", "4"]).toFrameList() == [1, 2, 4]
    many.compact()
    assert str(many) == "1-3 10 20 22"


@pytest.mark.parametrize("text", ["", "a-b", "1-", "1-5x0", "1..5"])
def test_bad_frame_ranges_raise(nuke: ModuleType, text: str) -> None:
    with pytest.raises(RuntimeError, match="Frame Range invalid"):
        nuke.FrameRange(text)
