"""What Nuke runs from NUKE_PATH in every session: GUI, terminal, farm and Frame Server children.

Puts the gizmos and the Python of Bipack on Nuke's path and hooks up two cheap callbacks. Starts nothing, may run
several times, and never keeps Nuke from starting.
"""

import nuke

# Relative paths count from this file; a path that is there already only moves to the front.
for _folder in ("./gizmos", "./gizmos/icons", "./python"):
    nuke.pluginAddPath(_folder)

try:
    from bipack.host import session
except ImportError as _error:
    nuke.warning(f"Bipack: its Python could not be loaded ({_error}). Cooked frames still render; cooking is off.")
else:
    session.register()
