"""The functions of the nuke module that are about the program rather than the script.

Callbacks, threads, messages, plug-ins, menus, formats and layers; api.py has the others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import node_classes, session
from .callbacks import KINDS, WITHOUT_CLASS
from .formats import Format
from .gui import Menu
from .knobs import Knob
from .nodes import Node

# callbacks


def _adder(kind: str) -> Callable[..., None]:
    if kind in WITHOUT_CLASS:

        def add_plain(call: Any, args: Any = (), kwargs: Any = None) -> None:
            session.current().callbacks.add(kind, call, args, kwargs)

        return add_plain

    def add(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = KINDS[kind], node: Any = None) -> None:
        session.current().callbacks.add(kind, call, args, kwargs, nodeClass, node)

    return add


def _remover(kind: str) -> Callable[..., None]:
    def remove(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str | None = None, node: Any = None) -> None:
        session.current().callbacks.remove(kind, call, args, kwargs, nodeClass, node)

    return remove


def callback_functions() -> dict[str, Callable[..., None]]:
    """addOnCreate, removeOnCreate and so on."""
    made = {}
    for kind in (*KINDS, *WITHOUT_CLASS):
        capital = kind[0].upper() + kind[1:]
        made[f"add{capital}"] = _adder(kind)
        made["removeFilenameValidate" if kind == "validateFilename" else f"remove{capital}"] = _remover(kind)
    return made


# threads


def executeInMainThread(call: Any, args: Any = (), kwargs: Any = None) -> None:
    session.current().main_thread.post(call, args, kwargs)


def executeInMainThreadWithResult(call: Any, args: Any = (), kwargs: Any = None) -> Any:
    return session.current().main_thread.ask(call, args, kwargs)


# messages


def message(prompt: str) -> None:
    here = session.current()
    _text(prompt)
    if here.gui:
        here.messages.append(prompt)
    else:
        here.print(prompt + "\n")


def ask(prompt: str) -> bool:
    here = session.current()
    _text(prompt)
    here.require_gui("ask")
    here.messages.append(prompt)
    if not here.answers:
        raise RuntimeError(f"the test has no answer to: {prompt}")
    return here.answers.pop(0)


def tprint(*values: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
    session.current().print(sep.join(str(value) for value in values) + end)


def error(message: str) -> None:
    _console("error", message)


def warning(message: str) -> None:
    _console("warning", message)


def debug(message: str) -> None:
    _console("debug", message)


def critical(message: str) -> None:
    _console("critical", message)


def _console(level: str, message: str) -> None:
    _text(message)
    session.current().console.append((level, message))


def _text(value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"argument 1 must be str, not {type(value).__name__}")


# plug-ins and menus


def pluginAddPath(args: Any, addToSysPath: bool = True) -> None:
    for path in [args] if isinstance(args, str) else reversed(list(args)):
        session.current().add_plugin_path(path, True, addToSysPath)


def pluginAppendPath(args: Any, addToSysPath: bool = True) -> None:
    for path in [args] if isinstance(args, str) else list(args):
        session.current().add_plugin_path(path, False, addToSysPath)


def pluginPath() -> list[str]:
    return list(session.current().plugin_paths)


def pluginExists(name: str) -> bool:
    here = session.current()
    return here.find_plugin(name) is not None or here.find_plugin(f"{name}.gizmo") is not None


def plugins(switches: int = 0, *patterns: str) -> list[str]:
    found = []
    for folder in session.current().plugin_paths:
        found += [str(path) for pattern in patterns or ("*",) for path in sorted(Path(folder).glob(pattern))]
    return found


def load(name: str) -> None:
    if not pluginExists(name) and node_classes.find(name) is None:
        raise RuntimeError(f"{name}: plugin did not define {name}")


def menu(name: str) -> Menu:
    here = session.current()
    here.require_gui("menu")
    if name not in here.menus:
        raise RuntimeError(f"there is no menu {name}")
    return here.menus[name]


def toolbar(name: str, create: bool = True) -> Menu:
    return menu(name)


# formats, views, layers


def formats() -> list[Format]:
    return session.current().formats.all()


def addFormat(s: str) -> Format | None:
    return session.current().formats.add(s)


def views() -> list[str]:
    return ["main"]


def layers(node: Node | None = None) -> list[str]:
    here = session.current()
    if node is None:
        return list(here.channels.layers)
    return sorted({channel.split(".")[0] for channel in node.channels()})


def channels(node: Node | None = None) -> list[str]:
    return session.current().root.channels() if node is None else node.channels()


def getReadFileKnob(node: Node) -> Knob | None:
    return node.knob("file") if node.Class() == "Read" else None


def dependencies(nodes: list[Node], what: int = 15) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        found += [n for n in node.dependencies(what) if n not in found]
    return found


def dependentNodes(what: int = 15, nodes: list[Node] | None = None, evaluateAll: bool = True) -> list[Node]:
    found: list[Node] = []
    for node in nodes or []:
        found += [n for n in node.dependent(what) if n not in found]
    return found


def show(node: Node, forceFloat: bool = False) -> None:
    node.showControlPanel(forceFloat)


def autoplace(node: Node) -> None:
    node.autoplace()


def activeViewer() -> None:
    """The stand-in has no Viewer window: None, as in Nuke while none is open."""
    return None


def usingOcio() -> bool:
    return session.current().root["colorManagement"].value() == "OCIO"
