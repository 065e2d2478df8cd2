"""The stand-in for Nuke for tests of the gizmo files."""

from finishing_fixture import face, finishing, matte, plate
from nuke_fixture import start_nuke

__all__ = ["face", "finishing", "matte", "plate", "start_nuke"]
