"""A stand-in for Nuke, for tests on machines that have none.

It follows Foundry's documentation and what public scripts show, and is meant to be as strict as Nuke: what is not
known to exist raises. Where Nuke's behaviour is not known for certain, the session has a setting for it
(`knob_changed`, `button_group`, `image_ops.kernels.width_factor`) or the stand-in takes the stricter side; docs list
those points under "to check on a real Nuke".

Put tests/nuke_double on sys.path, then `import nuke`. Beside it, a test has
`start(gui=…, version=…)` for a new Nuke, `current()` for its state (messages, console, progress_tasks, problems),
`evaluate(node, frame)` for pixels, and `audit(node)` for everything that is wrong with a gizmo.
"""

from __future__ import annotations

from .errors import ExpressionError, NotEvaluated, RenderError, ScriptError
from .image import Image
from .nodes import Node
from .session import Session, current, forget, start

__all__ = [
    "ExpressionError",
    "NotEvaluated",
    "RenderError",
    "ScriptError",
    "Session",
    "audit",
    "current",
    "evaluate",
    "forget",
    "start",
]


def evaluate(node: Node, frame: float | None = None, proxy_scale: float | None = None) -> Image:
    """The picture that a node makes at a frame (default: the current one); see image.Image."""
    session = current()
    return session.renderer.evaluate(node, session.frame() if frame is None else frame, proxy_scale)


def audit(node: Node) -> list[str]:
    """Sentences about what is wrong in a group: dead links, expressions and scripts that do not work."""
    from .faults import audit as look

    return look(node)
