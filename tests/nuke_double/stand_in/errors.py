"""The exceptions that the stand-in adds to Nuke's own.

Everything that Nuke itself raises is raised as the builtin that Nuke raises (NameError, ValueError, TypeError,
RuntimeError). The classes here derive from those, so code under test can only ever catch what it would catch in
Nuke, while a failing test still says precisely what happened.
"""

from __future__ import annotations


class ScriptError(RuntimeError):
    """A script or gizmo that Nuke would refuse: the message names the file or text and the line."""

    def __init__(self, message: str, line: int | None = None, source: str = "") -> None:
        self.line = line
        self.source = source
        where = source or "script"
        super().__init__(f"{where}: {message}" if line is None else f"{where}:{line}: {message}")


class ExpressionError(RuntimeError):
    """An expression that does not parse, or that names something which does not exist."""


class NotEvaluated(RuntimeError):
    """The stand-in has no pixels for this node class or setting. It never guesses: add the operator or avoid it."""


class RenderError(RuntimeError):
    """A node in the tree failed while pixels were wanted; the message begins with the node's name, as in Nuke."""
