"""What the outside sees and says of a paint-fix run: log lines, status.json, the report page, and how it is stopped.

A file called `stop` in the run's folder ends the run as Ctrl-C does; that is how a panel on another machine, or on
Windows, stops it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bipack.errors import UsageError

if TYPE_CHECKING:
    from bipack_train import paintfix, paintfix_run, pair_checks
    from bipack_train.pairs import Pair

log = logging.getLogger(__name__)

STOP, STATUS = "stop", "status.json"
SAY_SECONDS = 5.0


class Panel:
    """Tells a terminal, a page and a panel how the run goes, and hears when it shall stop."""

    def __init__(
        self,
        settings: paintfix.PairsRecipe,
        pairs: Sequence[Pair],
        findings: Sequence[pair_checks.Finding],
        out: str,
        quiet: bool = False,
        tensorboard: bool = False,
    ) -> None:
        self.settings, self.pairs, self.findings, self.out, self.quiet = settings, pairs, findings, out, quiet
        self.signal = 0
        self._said = 0.0
        self._handlers: dict[int, Any] = {}
        self._board = _board(out) if tensorboard and not quiet else None
        self._logged = 0
        self._run: paintfix_run.Run | None = None

    def __enter__(self) -> Panel:
        os.makedirs(self.out, exist_ok=True)
        if os.path.exists(os.path.join(self.out, STOP)):
            os.unlink(os.path.join(self.out, STOP))
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: object) -> None:
        if self.signal:
            # Asked twice: do not wait for the checkpoint.
            raise KeyboardInterrupt
        self.signal = number

    def stop(self) -> bool:
        """Asked after every step; also the place where a line is said now and then."""
        if not self.signal and os.path.exists(os.path.join(self.out, STOP)):
            self.signal = signal.SIGINT
        if self._run is not None and time.monotonic() - self._said > SAY_SECONDS:
            self.say(self._run)
        return bool(self.signal)

    def begin(self, run: paintfix_run.Run) -> None:
        """Called once the run is built."""
        self._run = run

    def report(self, run: paintfix_run.Run, final: bool) -> None:
        """Write page, sheet and logs."""
        from bipack_train import report

        if self.quiet:
            return
        left = run.progress.seconds_left(self.settings.schedule)
        state = report.State(
            self.settings.name,
            run.progress.step,
            run.progress.seconds / 60,
            None if left is None else left / 60,
            self._phase(run, final),
            self._facts(run),
            self.findings,
            final,
        )
        report.write(run, self.pairs, state, self.out)
        if self._board is not None:
            for row in [row for row in run.rows if row.step > self._logged]:
                self._board.add_scalar("loss/change", row.change_loss, row.step)
                self._board.add_scalar("loss/matte", row.matte_loss, row.step)
                if row.hole_psnr is not None:
                    self._board.add_scalar("held out/PSNR", row.hole_psnr, row.step)
                self._logged = row.step
            self._board.flush()

    def _facts(self, run: paintfix_run.Run) -> list[tuple[str, str]]:
        facts = [("pairs", ", ".join(str(pair.frame) for pair in self.pairs)), ("size", self.settings.size)]
        if run.progress.best > 0:
            facts.append(("held-out pair", f"{run.progress.best:.2f} dB inside the matte"))
        if run.base_model:
            facts.append(("started from", run.base_model.split("@")[0]))
        return facts

    def _phase(self, run: paintfix_run.Run, final: bool = False) -> str:
        if final:
            return "trained"
        return "last part: all pairs, falling rate" if run.progress.finishing(self.settings.schedule) else "learning"

    def say(self, run: paintfix_run.Run, phase: str = "", model: str = "") -> None:
        """One line to the log, and status.json for a panel."""
        from bipack import atomic

        self._said = time.monotonic()
        if self.quiet:
            return
        schedule, progress = self.settings.schedule, run.progress
        left = progress.seconds_left(schedule)
        loss = run.rows[-1].change_loss if run.rows else None
        status = {
            "name": self.settings.name,
            "pid": os.getpid(),
            "step": progress.step,
            "done": round(min(1.0, progress.done(schedule) / progress.finish_to), 4),
            "seconds_left": None if left is None else round(left, 1),
            "phase": phase or self._phase(run),
            "loss": loss,
            "held_out_psnr": round(progress.best, 2) if progress.best > 0 else None,
            "model": model,
        }
        atomic.write_bytes(os.path.join(self.out, STATUS), (json.dumps(status) + "\n").encode("utf-8"))
        if phase:
            log.info("%s", phase)
        elif loss is not None:
            text = f"step {progress.step}  {status['done']:.0%}  loss {loss:.4f}"
            text += f"  held out {progress.best:.2f} dB" if progress.best > 0 else ""
            log.info("%s  %s", text, "" if left is None else f"{left / 60:.1f} min left")


def _board(out: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "--tensorboard needs the package tensorboard: `python3 bootstrap.py install --extras train,tensorboard`."
        ) from error
    return SummaryWriter(os.path.join(out, "tensorboard"))
