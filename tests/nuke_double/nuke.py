"""`import nuke` for tests: only the names that Foundry's Python reference has. See stand_in/__init__.py.

Constants such as GUI are those of the session that runs when the module is imported, as in Nuke; importing it anew
after `stand_in.start` gives the new ones.
"""

from __future__ import annotations

from stand_in import module_names as _module_names
from stand_in import session as _session

globals().update(_module_names.names(_session.current()))


def __getattr__(name: str) -> object:
    raise AttributeError(f"module 'nuke' has no attribute '{name}'")
