"""Where cooked frames lie and what is remembered of them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from bipack.errors import UsageError
from bipack.host import cache
from bipack.host.cache import CookFolder

DIGEST = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> CookFolder:
    return CookFolder.choose(str(tmp_path), "/shots/sq010.nk", "BipackModel1", DIGEST, ())


def touch(pattern: str, frame: int, size: int = 10) -> None:
    path = Path(pattern % frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/shots/comp_v001.nk", "/shots/comp_v002.nk"),
        ("/shots/comp.v1.nk", "/shots/comp.v12.nk"),
        ("/shots/a_v001_fx.nk", "/shots/a_v002_fx.nk"),
    ],
)
def test_versions_of_one_script_share_a_folder(one: str, other: str) -> None:
    assert cache.script_folder(one) == cache.script_folder(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("/sq010/comp.nk", "/sq020/comp.nk"), ("/shots/comp_fx.nk", "/shots/comp_bg.nk"), ("", "/shots/comp.nk")],
)
def test_different_scripts_have_different_folders(one: str, other: str) -> None:
    assert cache.script_folder(one) != cache.script_folder(other)


def test_names_keep_unicode_letters_and_lose_what_nuke_would_evaluate() -> None:
    assert cache.safe("Früh stück 東京") == "Früh_stück_東京"
    assert cache.safe("a[b]$c%04d#") == "a_b__c_04d_"


@pytest.mark.parametrize("letter", list("[]{}$%#"))
def test_a_cache_folder_that_nuke_would_evaluate_is_refused(letter: str) -> None:
    with pytest.raises(UsageError, match="Choose another folder"):
        cache.root_folder(f"/mnt/ca{letter}che")


def test_the_setting_is_taken_where_the_node_names_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BIPACK_CACHE", str(tmp_path))
    assert cache.root_folder("") == str(tmp_path).replace("\\", "/")


def test_frames_on_disk_are_found_and_temporaries_are_not(folder: CookFolder) -> None:
    touch(folder.result, 1001)
    touch(folder.result, 1003)
    Path(folder.path, ".out.1002.77-abc.tmp.exr").write_bytes(b"")
    assert folder.frames() == (1001, 1003)
    assert folder.is_complete(1001)
    assert not folder.is_complete(1002)
    assert folder.size_bytes() >= 20


def test_a_stereo_frame_counts_when_every_view_is_there(tmp_path: Path) -> None:
    folder = CookFolder.choose(str(tmp_path), "/s.nk", "N", DIGEST, ("left", "right"))
    touch(folder.result_of("left"), 1)
    assert folder.frames() == ()
    touch(folder.result_of("right"), 1)
    assert folder.frames() == (1,)


def test_a_folder_is_found_again_from_its_pattern_and_others_are_not(folder: CookFolder) -> None:
    assert CookFolder.of_pattern(folder.result, ()) == folder
    assert CookFolder.of_pattern("/renders/beauty.%04d.exr", ()) is None


def test_what_a_frame_was_made_from_is_remembered(folder: CookFolder) -> None:
    sources = {"/plates/früh.1001.exr": (12345678901234567, 99)}
    folder.write_record(1001, sources, "key")
    record = folder.read_record(1001)
    assert record is not None
    assert (record.sources, record.key) == (sources, "key")
    assert folder.read_record(1002) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sources": 3}', '{"sources": {"a": [1]}}'])
def test_a_damaged_record_is_no_record(folder: CookFolder, text: str) -> None:
    path = Path(folder.path, "frames", "7.json")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert folder.read_record(7) is None


def test_many_tasks_may_write_records_of_one_folder_at_once(folder: CookFolder) -> None:
    def cook(first: int) -> None:
        folder.write_recipe({"model": "m"}, DIGEST)
        for frame in range(first, first + 20):
            folder.write_record(frame, {"/p": (frame, 1)}, "")

    threads = [threading.Thread(target=cook, args=(first,)) for first in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.read_recipe() == {"model": "m"}
    for frame in range(80):
        record = folder.read_record(frame)
        assert record is not None and record.sources == {"/p": (frame, 1)}


def test_clearing_removes_every_recipe_and_nothing_else(tmp_path: Path) -> None:
    node = cache.node_folder(str(tmp_path), "/s.nk", "N")
    for digest in ("a" * 32, "b" * 32):
        folder = CookFolder.choose(str(tmp_path), "/s.nk", "N", digest, ())
        folder.write_recipe({}, digest)
        touch(folder.result, 1, 100)
    other = Path(node, "notes", "read me.txt")
    other.parent.mkdir()
    other.write_text("mine")
    assert cache.clear(node) == 200
    assert [entry.name for entry in Path(node).iterdir()] == ["notes"]
    assert other.read_text() == "mine"
