"""What every button of a gizmo does about errors: a dialog in the GUI, and in terminal mode the error itself."""

from __future__ import annotations

import functools
import logging
from typing import Any, Callable, TypeVar

import nuke

from bipack.errors import BipackError

log = logging.getLogger(__name__)

Node = TypeVar("Node")


def button(of: Callable[[Any], Node]) -> Callable[[Callable[[Node], None]], Callable[[Any], None]]:
    """Make an action on a node of ours callable with Nuke's group; `of` turns the group into the node."""

    def decorate(action: Callable[[Node], None]) -> Callable[[Any], None]:
        @functools.wraps(action)
        def pressed(group: Any) -> None:
            try:
                action(of(group))
            except BipackError as error:
                log.info("%s", error, exc_info=True)
                if not nuke.GUI:
                    raise
                nuke.message(str(error))
            except Exception as error:
                log.exception("%s", action.__name__)
                if not nuke.GUI:
                    raise
                nuke.message(f"Bipack met an unexpected fault ({type(error).__name__}: {error}). The log has more.")

        return pressed

    return decorate
