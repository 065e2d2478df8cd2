"""The side of Bipack that runs inside Nuke and talks to the worker: standard library only, Python 3.9."""

from bipack.client.worker import Worker

__all__ = ["Worker"]
