"""What Nuke runs from NUKE_PATH in the GUI only: the Bipack menu. A fault here never keeps Nuke from starting."""

import nuke

try:
    from bipack.host import menu

    menu.build()
except Exception as _error:
    nuke.warning(f"Bipack: its menu could not be made ({type(_error).__name__}: {_error}).")
