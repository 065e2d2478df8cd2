"""Where weights come from, as their card tells it: data, recipe, code, time and machine."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence

import bipack
from bipack.card import Source, Training

AUTHOR = "The Bipack authors"
LICENCE = "Apache-2.0"


def training(
    data: Sequence[Source],
    recipe: str,
    *,
    seed: int,
    steps: int,
    seconds: float,
    base_model: str = "",
    pairs: Sequence[str] = (),
) -> Training:
    """The card's entry for a run that ends today, on this machine, with the code at its present commit.

    `recipe` is a path as `in_repository` gives it, or the text of a recipe; `base_model` is name@sha256; `pairs` are
    the digests of the pairs that were learned from.
    """
    return Training(
        data=tuple(data),
        recipe=recipe,
        seed=seed,
        steps=steps,
        pairs=tuple(pairs),
        commit=_commit(),
        date=datetime.date.today().isoformat(),
        base_model=base_model,
        machine=f"{platform.system()} {platform.machine()}",
        minutes=round(seconds / 60, 1),
    )


def in_repository(path: str) -> str:
    """The recipe's path as seen from the repository's root where it lies inside, else its bare name."""
    relative = os.path.relpath(os.path.abspath(path), _root())
    return os.path.basename(path) if relative.startswith(os.pardir) else relative.replace(os.sep, "/")


def _root() -> str:
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _commit() -> str:
    """The commit that the trainer is at, or the version where there is no repository."""
    command = ["git", "-C", _root(), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return bipack.__version__
