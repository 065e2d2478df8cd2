from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import cv2
import pytest

import tiny_paintfix
from bipack_train import paintfix_loop, pairs, report
from bipack_train.pair_checks import Finding
from painted import write


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run with its report."""
    folder = tmp_path_factory.mktemp("report")
    before, after = write(folder / "shot", range(1001, 1005))
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    run = paintfix_loop.train(tiny_paintfix.recipe(40), read, str(folder / "run"), device="cpu")
    findings = [Finding("warning", "Frame 1002 <is> odd & so on.", 1002)]
    state = report.State("sc010 <test>", 40, 1.5, 0.0, "trained", [("pairs", "4")], findings, final=True)
    report.write(run, read, state, str(folder))
    return folder


def test_the_page_loads_nothing_from_anywhere(page: Path) -> None:
    text = (page / report.PAGE).read_text()
    assert "http://" not in text and "https://" not in text and "<script" not in text
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', text))


def test_names_and_findings_are_escaped(page: Path) -> None:
    text = (page / report.PAGE).read_text()
    assert "sc010 &lt;test&gt;" in text and "Frame 1002 &lt;is&gt; odd &amp; so on." in text


def test_a_running_page_loads_again_and_a_finished_one_does_not(page: Path) -> None:
    assert "refresh" not in (page / report.PAGE).read_text()
    running = report.page(report.State("a", 1, 0.1, 3.2, "learning"), [], b"")
    assert 'http-equiv="refresh"' in running and "about 3 min left" in running


def test_the_sheet_has_a_row_for_each_pair_and_five_columns(page: Path) -> None:
    sheet = cv2.imread(str(page / report.SHEET))
    assert sheet.shape[1] == 5 * (report.CELL + 4)
    assert sheet.shape[0] == 26 + 4 * (report.CELL + 4)


def test_the_curves_show_both_losses_and_the_held_out_pair(page: Path) -> None:
    text = (page / report.PAGE).read_text()
    assert text.count("<svg") == 2 and "held-out pair" in text


def test_the_page_opens_in_a_browser(page: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    shot = tmp_path / "page.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1300,1500", "--virtual-time-budget=2000"]
    address = (page / report.PAGE).as_uri()
    subprocess.run([*command, f"--screenshot={shot}", address], check=True, timeout=120, capture_output=True)
    picture = cv2.imread(str(shot))
    assert picture is not None and picture.std() > 20
    found = subprocess.run([*command, "--dump-dom", address], check=True, timeout=120, capture_output=True, text=True)
    assert 'id="sheet"' in found.stdout and "<polyline" in found.stdout
