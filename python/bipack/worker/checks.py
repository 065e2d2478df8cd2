"""What a check of a model comes to: one finding for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, WRONG = "ok", "note", "wrong"

TRIALS = {"plate values": (0.0, 1.0), "highlights up to 500": (0.0, 500.0), "values below 0": (-1.0, 0.5)}
"""Ranges of the plates that a model is tried on."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    outcome: str
    """ok, note (worth knowing, no fault) or wrong."""

    topic: str
    text: str
