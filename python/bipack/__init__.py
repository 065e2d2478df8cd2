"""Bipack: ONNX models for compositors, from a gizmo, the command line or a farm.

This top level is the *contract*: standard library only, Python 3.9 syntax, safe to import inside Nuke.
`client` and `host` build on it; `imaging`, `worker` and `cli` need the worker's own interpreter.
"""

__version__ = "0.1.0"
