from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

import tiny_paintfix
from bipack import atomic
from bipack.errors import BipackError, DiskError, ModelRefused, UsageError
from bipack_train import checkpoint, paintfix, paintfix_loop, paintfix_run, pairs
from painted import write

SUPPORT = str(Path(tiny_paintfix.__file__).parent)


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> list[pairs.Pair]:
    before, after = write(tmp_path_factory.mktemp("shot"), range(1001, 1005))
    return [pairs.read(files) for files in pairs.match(before, after).pairs]


class StopAfter(paintfix_loop.Nobody):
    def __init__(self, steps: int) -> None:
        self.left = steps

    def stop(self) -> bool:
        self.left -= 1
        return self.left <= 0


def weights(run: paintfix_run.Run) -> dict[str, torch.Tensor]:
    return {**run.net.state_dict(), **{f"ema.{name}": value for name, value in run.ema.state().items()}}


def same(one: paintfix_run.Run, two: paintfix_run.Run) -> bool:
    first, second = weights(one), weights(two)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(shot: list[pairs.Pair], tmp_path: Path) -> None:
    runs = [
        paintfix_loop.train(tiny_paintfix.recipe(seed=seed), shot, str(tmp_path / name), device="cpu")
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@pytest.mark.parametrize("texture", [False, True])
def test_a_stopped_run_goes_on_bit_for_bit(shot: list[pairs.Pair], tmp_path: Path, texture: bool) -> None:
    changes = {"adversary": paintfix.Adversary(share=0.7)} if texture else {}
    settings = tiny_paintfix.recipe(12, **changes)
    whole = paintfix_loop.train(settings, shot, str(tmp_path / "whole"), device="cpu")
    broken = str(tmp_path / "broken")
    stopped = paintfix_loop.train(settings, shot, broken, device="cpu", watcher=StopAfter(7))
    assert stopped.progress.step == 7
    resumed = paintfix_loop.train(settings, shot, broken, device="cpu", resume=True)
    assert resumed.progress.step == 12
    assert same(whole, resumed)
    assert [row.step for row in resumed.rows] == [row.step for row in whole.rows]


def test_training_learns_the_marks(shot: list[pairs.Pair], tmp_path: Path) -> None:
    settings = tiny_paintfix.recipe(160, hold_out=paintfix.HoldOut(frame="1003"))
    run = paintfix_loop.train(settings, shot, str(tmp_path), device="cpu")
    losses = [row.change_loss for row in run.rows]
    assert sum(losses[-10:]) < 0.4 * sum(losses[:10])
    assert run.progress.best > 12.0


def test_a_kill_loses_no_more_than_since_the_last_checkpoint(tmp_path: Path) -> None:
    before, after = write(tmp_path / "shot")
    script = f"""
        import sys; sys.path.insert(0, {SUPPORT!r})
        import dataclasses, tiny_paintfix
        from bipack_train import pairs, paintfix_loop
        settings = dataclasses.replace(tiny_paintfix.recipe(100000), checkpoint_seconds=0.2)
        read = [pairs.read(files) for files in pairs.match({before!r}, {after!r}).pairs]
        paintfix_loop.train(settings, read, {str(tmp_path / "run")!r}, device="cpu", resume=True)
    """
    path = tmp_path / "run" / paintfix_run.CHECKPOINT
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        deadline = time.monotonic() + 150
        while not path.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    state = checkpoint.load(str(path))
    assert state.step > 0
    assert checkpoint.load_weights(str(path))["stem.weight"].isfinite().all()


def test_a_full_disk_keeps_the_checkpoint_before(
    shot: list[pairs.Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_paintfix.recipe(12)
    paintfix_loop.train(settings, shot, str(tmp_path), device="cpu", watcher=StopAfter(5))

    def full(path: str, data: bytes) -> None:
        raise atomic.disk_error(path, OSError(errno.ENOSPC, "No space left on device"))

    monkeypatch.setattr(atomic, "write_bytes", full)
    with pytest.raises(DiskError, match="disk is full"):
        paintfix_loop.train(settings, shot, str(tmp_path), device="cpu", resume=True)
    monkeypatch.undo()
    assert checkpoint.load(str(tmp_path / paintfix_run.CHECKPOINT)).step == 5


def test_a_run_is_not_overwritten_by_chance(shot: list[pairs.Pair], tmp_path: Path) -> None:
    paintfix_loop.train(tiny_paintfix.recipe(3), shot, str(tmp_path), device="cpu")
    with pytest.raises(UsageError, match="--resume"):
        paintfix_loop.train(tiny_paintfix.recipe(3), shot, str(tmp_path), device="cpu")


def test_a_run_is_not_resumed_with_other_pairs_or_settings(shot: list[pairs.Pair], tmp_path: Path) -> None:
    paintfix_loop.train(tiny_paintfix.recipe(3), shot, str(tmp_path), device="cpu")
    with pytest.raises(UsageError):
        paintfix_loop.train(tiny_paintfix.recipe(3), shot[:2], str(tmp_path), device="cpu", resume=True)
    with pytest.raises(UsageError):
        paintfix_loop.train(tiny_paintfix.recipe(3, seed=9), shot, str(tmp_path), device="cpu", resume=True)


def test_weights_of_another_network_are_refused(shot: list[pairs.Pair], tmp_path: Path) -> None:
    run = paintfix_run.build(tiny_paintfix.recipe(3), torch.device("cpu"))
    with pytest.raises(UsageError, match="another size"):
        paintfix_run.start_from(run, {"stem.weight": torch.zeros(3)}, "old")


def test_a_checkpoint_of_another_network_is_refused(shot: list[pairs.Pair], tmp_path: Path) -> None:
    settings = tiny_paintfix.recipe(3)
    paintfix_loop.train(settings, shot, str(tmp_path), device="cpu")
    other = dataclasses.replace(settings, frame_offsets=(0, 1))
    run = paintfix_run.build(other, torch.device("cpu"), paintfix_run.pairs_digest(shot))
    run.digest = checkpoint.load(str(tmp_path / paintfix_run.CHECKPOINT)).recipe_digest
    with pytest.raises(ModelRefused, match="another network"):
        paintfix_run.restore(run, str(tmp_path / paintfix_run.CHECKPOINT))


def test_a_diverging_run_stops_with_a_sentence(shot: list[pairs.Pair], tmp_path: Path) -> None:
    settings = tiny_paintfix.recipe(40)
    run = paintfix_run.build(settings, torch.device("cpu"))
    with torch.no_grad():
        run.net.change.weight.fill_(torch.inf)
    batch = paintfix_loop.PairPool(shot, settings.sampling, 1).batch(0)
    with pytest.raises(BipackError, match="diverged"):
        paintfix_loop.take_step(run, run.net, batch)


def test_two_processes_train_as_one_and_agree(tmp_path: Path) -> None:
    before, after = write(tmp_path / "shot")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys; sys.path.insert(0, {SUPPORT!r})
            import torch, tiny_paintfix
            from safetensors.torch import save_file
            from bipack_train import pairs, paintfix_loop, processes
            torch.set_num_threads(1)
            processes.join()
            rank = torch.distributed.get_rank()
            read = [pairs.read(files) for files in pairs.match({before!r}, {after!r}).pairs]
            run = paintfix_loop.train(tiny_paintfix.recipe(6), read, {str(tmp_path / "run")!r}, device="cpu")
            state = {{name: value.contiguous().clone() for name, value in run.net.state_dict().items()}}
            save_file(state, {str(tmp_path)!r} + f"/rank{{rank}}.safetensors")
            """
        )
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    subprocess.run(command, check=True, timeout=240, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    first, second = (checkpoint.load_weights(str(tmp_path / f"rank{rank}.safetensors")) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    alone = paintfix_loop.train(tiny_paintfix.recipe(6), read, str(tmp_path / "alone"), device="cpu")
    # Half of the batch on each side: the same crops, summed in another order and with means of each half.
    for name, value in alone.net.state_dict().items():
        assert torch.allclose(value, first[name], atol=0.02), name


def test_an_early_stop_goes_on_to_the_falling_rate() -> None:
    settings = tiny_paintfix.recipe(1000)
    settings = dataclasses.replace(settings, hold_out=paintfix.HoldOut(patience=0.1, least_steps=10))
    progress = paintfix.start(settings.schedule)
    progress.step = 100
    assert not progress.note_score(30.0, settings)
    progress.step = 210
    assert progress.note_score(29.0, settings)
    assert progress.finishing(settings.schedule)
    assert progress.finish_to == pytest.approx(0.35)
    progress.step = 350
    assert progress.over(settings.schedule)


def test_focus_leaves_the_say_to_what_is_wrong() -> None:
    matte = torch.zeros(1, 1, 2, 2)
    logit = torch.tensor([[[[-6.0, -6.0], [-6.0, 2.0]]]], requires_grad=True)
    shares = []
    for focus in (0.0, 1.0):
        _, loss = paintfix_loop.losses(paintfix.Loss(focus=focus), matte, logit, matte, matte)
        (slope,) = torch.autograd.grad(loss, logit)
        shares.append(float(slope[0, 0, 1, 1] / slope.sum()))
    assert 0.99 < shares[0] < 0.995 < 0.9999 < shares[1]
