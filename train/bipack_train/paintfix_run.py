"""One run of the paint-fix trainer: everything that changes from step to step, and its state on disk."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from bipack import atomic
from bipack.errors import UsageError
from bipack_train import adversary, checkpoint, muon, paintfix, recipe
from bipack_train.ema import Ema
from bipack_train.models import networks
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.paintfix import PairsRecipe, Progress
from bipack_train.pairs import Pair

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
LOG_COLUMNS = ("step", "seconds", "loss", "change_loss", "matte_loss", "learning_rate", "hole_psnr")


@dataclass
class Row:
    """One line of the log."""

    step: int
    seconds: float
    loss: float
    change_loss: float
    matte_loss: float
    learning_rate: float
    hole_psnr: float | None = None


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: PairsRecipe
    net: PaintFixNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    device: torch.device
    progress: Progress
    digest: str
    adversary: adversary.Stage | None = None
    rows: list[Row] = field(default_factory=list)
    base_model: str = ""
    looked_at: float = 0.0
    """Part done at the last look at the held-out pair."""


def build(settings: PairsRecipe, device: torch.device, pairs_digest: str = "") -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    net = networks.build(settings.size, len(settings.frame_offsets)).to(device)
    net = net.to(memory_format=torch.channels_last)  # 1.5 to 2 times as fast, on CPU and GPU
    schedule = settings.schedule
    optimizer = muon.of_net(net, net.ENDS, schedule.learning_rate, schedule.weight_decay)
    digest = recipe.digest(settings) + pairs_digest
    run = Run(settings, net, Ema(net, schedule.ema), optimizer, device, paintfix.start(schedule), digest)
    if settings.adversary.share > 0:
        run.adversary = adversary.Stage(settings.adversary, device)
    return run


def pairs_digest(pairs: Sequence[Pair]) -> str:
    """Part of the run's digest: a run is only resumed with the pairs that it was started with."""
    return ":" + ",".join(f"{pair.frame}={pair.digest[:12]}" for pair in pairs)


def start_from(run: Run, weights: dict[str, Tensor], base_model: str) -> None:
    """Put earlier weights into a fresh run. Raises UsageError when they are of another network."""
    try:
        run.net.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(
            f"{base_model or 'The starting model'} is of another size or kind than this run ({run.settings.size}, "
            f"{len(run.settings.frame_offsets)} frames): {str(error).splitlines()[0]} Choose the size that fits it."
        ) from error
    run.ema = Ema(run.net, run.settings.schedule.ema)
    run.base_model = base_model


def averaged(run: Run) -> PaintFixNet:
    """The network with the moving average of its weights, on the run's device."""
    net = networks.build(run.settings.size, len(run.settings.frame_offsets)).to(run.device)
    run.ema.copy_to(net)
    return net.to(memory_format=torch.channels_last).eval()


def save(run: Run, out: str) -> None:
    """Write checkpoint and log, atomically. Raises DiskError; then the checkpoint before is still there."""
    optimizers = {"muon": run.optimizer}
    extra = {
        "progress": asdict(run.progress),
        "base_model": run.base_model,
        "looked_at": run.looked_at,
        "rows": [asdict(row) for row in run.rows],
        "size": run.settings.size,
        "frames": len(run.settings.frame_offsets),
    }
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
        extra["adversary"] = run.adversary.state()
    checkpoint.save(
        os.path.join(out, CHECKPOINT),
        step=run.progress.step,
        recipe_digest=run.digest,
        model=run.net if run.adversary is None else nn.ModuleDict({"net": run.net, "adversary": run.adversary.net}),
        ema=run.ema,
        optimizers=optimizers,
        extra=extra,
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in run.rows)
    atomic.write_bytes(os.path.join(out, LOG), text.getvalue().encode("utf-8"))


def restore(run: Run, path: str) -> None:
    """Put a checkpoint back into a fresh run. Raises as `checkpoint.restore`."""
    state = checkpoint.load(path)
    optimizers = {"muon": run.optimizer}
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
    checkpoint.restore(
        state,
        recipe_digest=run.digest,
        model=run.net if run.adversary is None else nn.ModuleDict({"net": run.net, "adversary": run.adversary.net}),
        ema=run.ema,
        optimizers=optimizers,
    )
    run.progress = Progress(**state.extra["progress"])
    run.rows = [Row(**row) for row in state.extra["rows"]]
    run.base_model, run.looked_at = state.extra["base_model"], float(state.extra["looked_at"])
    if run.adversary is not None:
        run.adversary.load(state.extra["adversary"])
