"""Script files: open, save, clear, merge in, copy and paste."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import script_parser
from .errors import ScriptError
from .forgiving import parse_by_lines
from .loader import Problem
from .script_parser import Script
from .tcl import decode

if TYPE_CHECKING:
    from .nodes import Node
    from .session import Session


def open_script(session: Session, path: str) -> None:
    """nuke.scriptOpen: onCreate of the root comes after its nodes, then onScriptLoad."""
    session.require_main_thread("scriptOpen")
    script = _parsed(session, path)
    clear(session)
    session.root._knobs["name"]._value = path  # type: ignore[attr-defined]
    _load(session, script, with_root=True)
    session.root._knobs["name"]._value = path  # type: ignore[attr-defined]
    session.modified = False
    if session.strict:
        session.callbacks.run("onCreate", session.root)
        session.callbacks.run("onScriptLoad", session.root)


def read_file(session: Session, path: str) -> list[Node]:
    """nuke.scriptReadFile: the nodes of a file into the current group; its Root block is left aside."""
    session.require_main_thread("scriptReadFile")
    return _load(session, _parsed(session, path))


def read_text(session: Session, text: str) -> list[Node]:
    """nuke.scriptReadText."""
    session.require_main_thread("scriptReadText")
    return _load(session, script_parser.parse(text, "scriptReadText"))


def paste(session: Session, path: str) -> list[Node]:
    """nuke.nodePaste: connected to the selected node; afterwards only the new nodes are selected."""
    session.require_main_thread("nodePaste")
    script = script_parser.parse(session.clipboard, "clipboard") if path == "%clipboard%" else _parsed(session, path)
    group = session.current_group()
    selected = [node for node in group._nodes if node.isSelected()]
    made = _load(session, script, top=selected[-1] if selected else None)
    for node in group._nodes:
        node.setSelected(node in made)
    return made


def copy(session: Session, path: str) -> None:
    """nuke.nodeCopy: the selected nodes of the current group."""
    chosen = [node for node in session.current_group()._nodes if node.isSelected()]
    if not chosen:
        raise RuntimeError("no node selected")
    text = session.saver.selection(chosen)
    if path == "%clipboard%":
        session.clipboard = text
    else:
        _write(path, text)


def save(session: Session, path: str | None) -> bool:
    """nuke.scriptSave: without a name a silent no-op while the root is not modified."""
    if path:
        return save_as(session, path, 1)
    name = session.root._knobs["name"]._value  # type: ignore[attr-defined]
    if not name:
        raise RuntimeError("the script has no name to save it under")
    if not session.modified:
        return False
    return save_as(session, name, 1)


def save_as(session: Session, path: str, overwrite: int) -> bool:
    """nuke.scriptSaveAs: overwrite 1 replaces a file, 0 fails, -1 asks (in the terminal: fails)."""
    session.require_main_thread("scriptSaveAs")
    if not path:
        raise RuntimeError("scriptSaveAs needs a file name")
    if os.path.exists(path) and overwrite != 1 and path != session.root._knobs["name"]._value:  # type: ignore[attr-defined]
        raise RuntimeError(f"{path} already exists")
    session.root._knobs["name"]._value = path  # type: ignore[attr-defined]
    session.callbacks.run("onScriptSave", session.root)
    _write(path, session.saver.script())
    session.modified = False
    return True


def clear(session: Session) -> None:
    """nuke.scriptClear: onScriptClose, then every node goes."""
    session.callbacks.run("onScriptClose", session.root)
    for node in list(session.root._nodes):
        session.delete(node)
    session.root = session._new_root()
    session.modified = False
    session._groups.clear()


def _parsed(session: Session, path: str) -> Script:
    """The statements of a file; in lenient mode also of one whose braces do not match."""
    if not os.path.exists(path):
        raise RuntimeError(f"{path}: No such file or directory")
    try:
        return script_parser.parse_file(path)
    except ScriptError as error:
        if session.strict:
            raise
        session.problems.append(Problem(error.line or 0, str(error)))
        return parse_by_lines(decode(Path(path).read_bytes()), path)


def _load(session: Session, script: Script, top: Node | None = None, with_root: bool = False) -> list[Node]:
    session._loading += 1
    group = session.root if with_root else session.current_group()
    try:
        return session.loader.load(script, group, top, with_root, callbacks=session.strict)
    finally:
        session._loading -= 1


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_bytes(text.encode("utf-8", errors="surrogateescape"))
    except OSError as error:
        raise RuntimeError(f"{path}: {error.strerror}") from error
