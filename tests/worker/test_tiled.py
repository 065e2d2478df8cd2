from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack.catalog import locate
from bipack.errors import Cancelled, GpuOutOfMemory, ModelRefused, UsageError
from bipack.imaging import tiling
from bipack.worker import tiled
from bipack.worker.runtime import OutOfMemory
from bipack.worker.session import Session, open_session
from graphs import Builder

SUPPORT = str(Path(graphs.__file__).parent)


def opened(model: Any, tmp_path: Path) -> Session:
    session = open_session(locate(graphs.save(model, tmp_path / "net.onnx")), threads=1)
    session.notices.clear()
    return session


def frame(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).random((1, channels, height, width), np.float32)


MODELS = {
    "identity": graphs.identity(),
    "repeated pixels": graphs.identity(scale=3),
    "plain x2": graphs.plain_sr(scale=2, layers=5),
    "plain x3": graphs.plain_sr(scale=3, layers=3),
    "u-net 2": graphs.unet(depth=2),
    "u-net 3": graphs.unet(depth=3),
    "unpadded": graphs.unpadded(layers=4),
    "unpadded x2": graphs.unpadded(layers=2, scale=2),
    "one size": graphs.fixed_size(64, 96, layers=3),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tile", [79, 96, 131])
def test_tiled_is_whole_to_the_last_bit(tmp_path: Path, name: str, tile: int) -> None:
    session = opened(MODELS[name], tmp_path)
    picture = frame(123, 187)
    whole = tiled.run_tiled(session, {"input": picture}, tile=1000)
    assert whole.shape == (3, 123 * session.card.scale, 187 * session.card.scale)
    assert np.array_equal(tiled.run_tiled(session, {"input": picture}, tile=tile), whole)


def test_the_identity_returns_the_plate_bit_for_bit(tmp_path: Path) -> None:
    session = opened(graphs.identity(), tmp_path)
    picture = frame(61, 77)
    picture[0, :, 5, 5] = (1e30, -2.5, 6e-8)
    assert np.array_equal(tiled.run_tiled(session, {"input": picture}, tile=32), picture[0])


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 3), (9, 100)])
def test_frames_smaller_than_the_model_likes_are_padded_and_cut(tmp_path: Path, size: tuple[int, int]) -> None:
    for model in (graphs.unet(depth=3), graphs.unpadded(layers=5), graphs.fixed_size(32, 32)):
        result = tiled.run_tiled(opened(model, tmp_path), {"input": frame(*size)})
        assert result.shape == (3, *size)
        assert np.isfinite(result).all()


def test_plate_matte_and_amount_reach_the_model_together(tmp_path: Path) -> None:
    session = opened(graphs.masked(), tmp_path)
    plate, matte = frame(60, 80), np.zeros((1, 1, 60, 80), np.float32)
    matte[..., 20:40, 30:50] = 1
    result = tiled.run_tiled(session, {"plate": plate, "matte": matte}, tile=24)
    inside = matte[0, 0] == 1
    assert np.array_equal(result[:, ~inside], plate[0][:, ~inside])
    assert not np.array_equal(result[:, inside], plate[0][:, inside])
    session = opened(graphs.with_amount(), tmp_path)
    nothing = tiled.run_tiled(session, {"input": plate, "amount": np.zeros(1, np.float32)}, tile=24)
    assert np.array_equal(nothing, plate[0])


def test_pieces_cover_the_result_once_and_count_up_to_one(tmp_path: Path) -> None:
    for model in (graphs.plain_sr(scale=2), graphs.squeeze_excite()):
        session = opened(model, tmp_path)
        picture, scale = frame(150, 170), session.card.scale
        seen = np.zeros((150 * scale, 170 * scale), int)
        fractions = []
        for region, piece in tiled.iterate(session, lambda r, c, p=picture: {"input": p[..., r, c]}, 150, 170, 90):
            assert piece.shape == (3, *seen[region.rows, region.columns].shape)
            seen[region.rows, region.columns] += 1
            fractions.append(region.fraction)
        assert np.all(seen == 1)
        assert fractions == sorted(fractions) and fractions[-1] == 1


def test_only_the_tile_and_its_halo_is_asked_for(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(layers=4), tmp_path)
    picture, asked = frame(200, 220), []

    def read(rows: slice, columns: slice) -> dict[str, np.ndarray]:
        asked.append((rows.stop - rows.start, columns.stop - columns.start))
        return {"input": picture[..., rows, columns]}

    for _ in tiled.iterate(session, read, 200, 220, 64):
        pass
    assert set(asked) == {(64, 64)}


def test_blended_tiles_leave_no_step_at_their_seams(tmp_path: Path) -> None:
    session = opened(graphs.squeeze_excite(), tmp_path)
    ramp = np.linspace(0, 1, 400, dtype=np.float32)
    picture = np.broadcast_to(ramp, (1, 3, 120, 400)).copy()
    result = tiled.run_tiled(session, {"input": picture}, tile=150)
    whole = tiled.run_tiled(session, {"input": picture}, tile=1000)
    inner = result[:, 8:-8, 8:-8]
    assert 0 < np.abs(result - whole).max() < 0.2
    assert np.abs(np.diff(inner, axis=2)).max() < 3 * np.abs(np.diff(whole[:, 8:-8, 8:-8], axis=2)).max()


def test_progress_and_a_given_buffer_are_used(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(scale=1), tmp_path)
    out, seen = np.empty((3, 90, 90), np.float32), list[float]()
    assert tiled.run_tiled(session, {"input": frame(90, 90)}, 48, seen.append, out=out) is out
    assert len(seen) > 3 and seen[-1] == 1


def test_cancel_stops_between_and_inside_tiles(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    cancel = threading.Event()
    picture = frame(100, 100)
    pieces = tiled.iterate(session, lambda r, c: {"input": picture[..., r, c]}, 100, 100, 40, cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(Cancelled):
        next(pieces)


# -- the size of tiles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "-5", "huge", "1.5", ""])
def test_a_tile_that_is_no_number_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        tiled.parse_tile(text)


def test_tile_settings_may_be_text_or_numbers() -> None:
    assert (tiled.parse_tile("auto"), tiled.parse_tile("512"), tiled.parse_tile(96)) == (None, 512, 96)


def test_a_tile_that_is_all_overlap_is_a_usage_error(tmp_path: Path) -> None:
    session = opened(graphs.unet(depth=3), tmp_path)
    with pytest.raises(UsageError, match="too small"):
        tiled.run_tiled(session, {"input": frame(200, 200)}, tile=64)


def test_auto_runs_a_small_frame_at_once(tmp_path: Path) -> None:
    assert tiled.auto_tile(opened(graphs.plain_sr(), tmp_path), 256, 256) is None


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 4096), (4320, 8192), (20000, 300), (300, 20000)])
@pytest.mark.parametrize("name", ["plain x2", "u-net 3", "unpadded"])
def test_auto_tiles_fit_the_memory_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int]
) -> None:
    session = opened(MODELS[name], tmp_path)
    for gigabytes in (0.0625, 0.25, 1):
        monkeypatch.setenv("BIPACK_MEMORY_GB", str(gigabytes))
        shape = tiled.auto_tile(session, *size) or tiling.padded_size(*size, session.facts.geometry)
        assert math.prod(shape) * session.facts.bytes_per_pixel <= gigabytes * (1 << 30)


def test_auto_picks_the_shape_that_computes_least_within_its_memory(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(layers=10, channels=32), tmp_path)
    geometry = session.facts.geometry
    for height, width in ((1080, 1920), (2160, 4096), (5000, 700)):
        shape = tiled.auto_tile(session, height, width)
        assert shape is not None
        chosen = tiling.computed(height, width, geometry, shape)
        assert chosen < 1.05 * height * width
        for rows, columns in ((1, 1), (1, 4), (2, 2), (1, 16)):
            side = math.isqrt(math.prod(shape) * columns // rows)
            other = (min(height, math.prod(shape) // side), min(width, side))
            assert chosen <= 1.01 * tiling.computed(height, width, geometry, other)


def test_the_size_of_tiles_is_found_in_no_time(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    began = time.process_time()
    for _ in range(10):
        tiled.auto_tile(session, 20000, 20000)
    assert time.process_time() - began < 1


def test_auto_takes_more_memory_only_where_overlap_would_cost_much(tmp_path: Path) -> None:
    thin = opened(graphs.plain_sr(layers=3, channels=32), tmp_path)
    shape = tiled.auto_tile(thin, 2160, 4096)
    assert shape is not None
    assert math.prod(shape) * thin.facts.bytes_per_pixel <= thin.tile_budget / 4
    deep = opened(graphs.unet(depth=4, channels=16), tmp_path)
    shape = tiled.auto_tile(deep, 2160, 4096)
    assert shape is not None
    assert math.prod(shape) * deep.facts.bytes_per_pixel > deep.tile_budget / 4


def test_auto_tiles_are_all_of_one_size_and_about_equal_to_what_is_needed(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(layers=4, channels=32), tmp_path)
    shape = tiled.auto_tile(session, 2160, 4096)
    assert shape is not None
    tiles = tiling.plan(2160, 4096, session.facts.geometry, shape)
    assert len({tile.shape for tile in tiles}) == 1
    heights = [tile.write[0].stop - tile.write[0].start for tile in tiles]
    assert max(heights) < 1.3 * min(heights)


def test_a_global_model_runs_whole_where_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(graphs.squeeze_excite(), tmp_path)
    assert tiled.auto_tile(session, 1080, 1920) is None
    monkeypatch.setenv("BIPACK_MEMORY_GB", "0.05")
    assert tiled.auto_tile(session, 1080, 1920) is not None


def test_a_tile_for_a_model_that_cannot_be_tiled_is_answered_with_a_line(tmp_path: Path) -> None:
    session = opened(graphs.attention(), tmp_path)
    picture = frame(30, 30)
    whole = tiled.run_tiled(session, {"input": picture})
    assert session.notices == []
    assert np.array_equal(tiled.run_tiled(session, {"input": picture}, tile=16), whole)
    assert "cannot be tiled" in session.notices[0] and "attention" in session.notices[0]


def test_a_result_of_an_unexpected_size_is_refused(tmp_path: Path) -> None:
    b = Builder()
    wide = b.op("Greater", b.op("ReduceMax", "input", keepdims=0), b.const(2.0))
    branches = {}
    for name, factor in (("then_branch", 2.0), ("else_branch", 1.0)):
        inner = Builder()
        inner.weights = []
        out = inner.op("Resize", "input", "", inner.const([1, 1, factor, factor]), mode="nearest")
        info = graphs.helper.make_tensor_value_info(out, graphs.TensorProto.FLOAT, None)
        branches[name] = graphs.helper.make_graph(inner.nodes, name, [], [info], inner.weights)
    session = opened(b.model(b.op("If", wide, **branches)), tmp_path)
    picture = frame(20, 20)
    assert tiled.run_tiled(session, {"input": picture}).shape == (3, 20, 20)
    session.rebuild()
    with pytest.raises(ModelRefused, match="1×3×40×40"):
        tiled.run_tiled(session, {"input": picture + 5})


# -- memory ----------------------------------------------------------------------------------------------------------


def limited(session: Session, pixels: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let runs of more than `pixels` fail as the runtime does; returns what happened, in order."""
    events: list[str] = []
    run, rebuild = session._run, session.rebuild

    def failing(feeds: Any, options: Any, reuse: bool, lane: Any) -> Any:
        if math.prod(feeds["input"].shape[2:]) > pixels:
            events.append("out of memory")
            raise OutOfMemory("Failed to allocate memory")
        events.append("run")
        return run(feeds, options, reuse, lane)

    monkeypatch.setattr(session, "_run", failing)
    monkeypatch.setattr(session, "rebuild", lambda: (events.append("rebuild"), rebuild())[1])
    return events


def test_auto_tiles_shrink_when_memory_runs_out_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    picture = frame(150, 180)
    whole = tiled.run_tiled(session, {"input": picture})
    events = limited(session, 8_000, monkeypatch)
    assert np.array_equal(tiled.run_tiled(session, {"input": picture}), whole)
    # Every time it runs out the session is made anew, before any smaller tile is tried; then it goes through.
    last = len(events) - 1 - events[::-1].index("rebuild")
    assert events[0] == "out of memory" and set(events[last + 1 :]) == {"run"}
    assert len(session.notices) == events.count("rebuild") and "memory ran out" in session.notices[0]
    events.clear()
    tiled.run_tiled(session, {"input": picture})
    assert "out of memory" not in events, "the next frame starts with what fitted"


def test_a_tile_that_the_user_chose_is_never_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    limited(session, 1000, monkeypatch)
    with pytest.raises(GpuOutOfMemory, match="as chosen"):
        tiled.run_tiled(session, {"input": frame(150, 180)}, tile=64)
    with pytest.raises(GpuOutOfMemory, match="fits into one"):
        tiled.run_tiled(session, {"input": frame(150, 180)}, tile=512)


def test_the_smallest_tile_is_the_last_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    limited(session, 10, monkeypatch)
    with pytest.raises(GpuOutOfMemory, match="smallest") as caught:
        tiled.run_tiled(session, {"input": frame(150, 180)})
    assert caught.value.exit_code == 14


def test_a_whole_model_that_runs_out_of_memory_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(graphs.attention(), tmp_path)
    events = limited(session, 100, monkeypatch)
    with pytest.raises(GpuOutOfMemory, match="cannot take less"):
        tiled.run_tiled(session, {"input": frame(50, 50)})
    assert events == ["out of memory", "rebuild"]


def in_process(code: str, *arguments: str) -> str:
    """Run `code` in a process of its own, whose memory can be measured and limited; returns what it prints."""
    full = f"import sys; sys.path.insert(0, {SUPPORT!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", full, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory figures")

PEAK = """
import os, graphs, numpy as np
from bipack.catalog import locate
from bipack.worker import tiled
from bipack.worker.session import open_session

def peak():
    # Of this program alone: ru_maxrss would begin with that of the process that started it.
    with open('/proc/self/status') as stream:
        return next(int(line.split()[1]) * 1024 for line in stream if line.startswith('VmHWM'))

def resident():
    with open('/proc/self/statm') as stream:
        return int(stream.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

name, path, size, tile = sys.argv[1:]
model = {'plain': lambda: graphs.plain_sr(2, 8, 32), 'unet': lambda: graphs.unet(3, 16),
         'global': lambda: graphs.squeeze_excite(24), 'masked': lambda: graphs.masked(16)}[name]()
session = open_session(locate(graphs.save(model, path)), threads=1)
sides = {e.name: e.channels for e in session.facts.inputs}
read = lambda r, c: {n: np.zeros((1, k, r.stop - r.start, c.stop - c.start), np.float32) for n, k in sides.items()}
size = int(size)
for _ in tiled.iterate(session, read, 64, 64):
    pass
before = resident()
for _ in tiled.iterate(session, read, size, size, tile):
    pass
print(peak() - before, session.facts.bytes_per_pixel)
"""


@needs_linux
@pytest.mark.parametrize("name", ["plain", "unet", "global", "masked"])
def test_the_memory_estimate_is_right_within_a_factor_of_two(tmp_path: Path, name: str) -> None:
    measured, per_pixel = in_process(PEAK, name, str(tmp_path / "net.onnx"), "800", "900").split()
    ratio = float(measured) / (float(per_pixel) * 800 * 800)
    assert 0.5 < ratio < 2


@needs_linux
def test_memory_does_not_grow_with_the_frame(tmp_path: Path) -> None:
    taken = [
        int(in_process(PEAK, "plain", str(tmp_path / "net.onnx"), size, "256").split()[0]) for size in ("500", "1000")
    ]
    assert taken[1] < 1.15 * taken[0] + (4 << 20)


STARVED = """
import resource, graphs, numpy as np
from bipack.catalog import locate
from bipack.worker import tiled
from bipack.worker.session import open_session

session = open_session(locate(graphs.save(graphs.plain_sr(2, 4, 64), sys.argv[1])), threads=1)
picture = np.random.default_rng(0).random((1, 3, 500, 600), np.float32)
expected = tiled.run_tiled(session, {'input': picture}, tile=128)
session.rebuild()
session.notices.clear()
with open('/proc/self/statm') as stream:
    taken = int(stream.read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (taken + (80 << 20), resource.RLIM_INFINITY))
result = tiled.run_tiled(session, {'input': picture})
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(np.array_equal(result, expected), len(session.notices), session.tile_limit < 500 * 600)
"""


@needs_linux
def test_a_real_lack_of_memory_is_survived_on_the_cpu(tmp_path: Path) -> None:
    same, notices, smaller = in_process(STARVED, str(tmp_path / "net.onnx")).split()
    assert (same, smaller) == ("True", "True")
    assert int(notices) >= 1


@pytest.mark.parametrize("tile", ["auto", 96])
def test_lanes_change_no_bit(tmp_path: Path, tile: str | int) -> None:
    """Two tiles at once, each on a thread of its own, give what one after the other gives."""
    path = graphs.save(graphs.plain_sr(scale=2, layers=4, channels=8, seed=5), tmp_path / "m.onnx")
    picture = {"input": np.random.default_rng(0).random((1, 3, 300, 410), np.float32)}
    with open_session(locate(path), "cpu", threads=1) as one, open_session(locate(path), "cpu", threads=4) as four:
        assert (one.lanes, four.lanes) == (1, 4)
        np.testing.assert_array_equal(tiled.run_tiled(four, picture, tile), tiled.run_tiled(one, picture, tile))


def test_a_caller_that_leaves_early_leaves_no_run_behind(tmp_path: Path) -> None:
    path = graphs.save(graphs.plain_sr(scale=1, layers=6, channels=16, seed=5), tmp_path / "m.onnx")
    picture = np.random.default_rng(0).random((1, 3, 400, 400), np.float32)
    with open_session(locate(path), "cpu", threads=2) as session:
        pieces = tiled.iterate(session, lambda rows, columns: {"input": picture[..., rows, columns]}, 400, 400, 100)
        next(pieces)
        pieces.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("bipack-lane")]


def test_lanes_share_the_memory_for_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = graphs.save(graphs.plain_sr(scale=2, layers=4, channels=8), tmp_path / "m.onnx")
    with open_session(locate(path), "cpu", threads=4) as session:
        tiles = tiling.plan(600, 600, session.facts.geometry, 200)
        needed = 200 * 200 * session.facts.bytes_per_pixel / (1 << 30)
        for share, lanes in ((0.5, 1), (1.1, 1), (2.1, 2), (100, 4)):
            monkeypatch.setenv("BIPACK_MEMORY_GB", str(share * needed))
            assert tiled._lanes(session, tiles) == lanes
