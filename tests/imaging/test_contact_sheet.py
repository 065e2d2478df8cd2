"""Contact sheets: what is on them, and that showing values never breaks on extreme ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging import contact_sheet
from bipack.imaging.contact_sheet import Panel
from bipack.imaging.frame import Box


def flat(value: float, height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), value, np.float32)


def test_a_sheet_holds_every_panel_whole_and_its_crop_enlarged():
    panels = [Panel("one", flat(0.18)), Panel("two", flat(0.36))]
    sheet = contact_sheet.compose(panels, Box(10, 10, 29, 19), zoom=2)
    shades = [contact_sheet.display(panel.pixels, 1.0)[0, 0, 0] for panel in panels]
    counts = [int((sheet[..., 0] == shade).sum()) for shade in shades]
    # 40 x 60 of the whole less the outline around the crop, and 10 x 20 pixels enlarged to 20 x 40.
    for count in counts:
        assert count >= 40 * 60 - 4 * (20 + 10) * 2 + 20 * 40
        assert count <= 40 * 60 + 20 * 40


def test_all_panels_are_shown_with_the_gain_of_the_first():
    panels = [Panel("a", flat(0.72)), Panel("b", flat(0.36))]
    sheet = contact_sheet.compose(panels, Box(0, 0, 9, 9))
    expected = contact_sheet.display(flat(0.36), 0.25)[0, 0, 0]
    assert (sheet[..., 0] == expected).sum() > 1000


def test_panels_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        contact_sheet.compose([Panel("a", flat(1)), Panel("b", flat(1, 20))], Box(0, 0, 1, 1))


def test_a_crop_outside_the_picture_is_refused():
    with pytest.raises(ValueError, match="does not lie inside"):
        contact_sheet.compose([Panel("a", flat(1))], Box(50, 0, 60, 10))


def test_the_busiest_crop_is_where_two_versions_differ():
    second = flat(0.2)
    second[25:30, 40:50] = 0.6
    crop = contact_sheet.busiest(flat(0.2), second, 12, 8)
    assert crop.xmin >= 38 and crop.xmax <= 51
    assert crop.ymin >= 22 and crop.ymax <= 32


def test_a_crop_larger_than_the_picture_is_the_picture():
    assert contact_sheet.busiest(flat(0.1), flat(0.2), 500, 500) == Box(0, 0, 59, 39)


def test_brighter_stays_brighter_far_above_one():
    ramp = np.geomspace(0.01, 30, 64, dtype=np.float32)[None, :, None].repeat(3, -1)
    shown = contact_sheet.display(ramp)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] > shown[40] > shown[20]


def test_nan_infinity_and_negative_values_are_shown_without_a_warning():
    pixels = flat(0.18)
    pixels[0, :4, 0] = [np.nan, np.inf, -np.inf, -2]
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        shown = contact_sheet.display(pixels)
    assert shown[0, :4, 0].tolist() == [0, 255, 0, 0]


def test_the_written_file_is_the_sheet(tmp_path):
    sheet = contact_sheet.compose([Panel("a", flat(0.3))], Box(0, 0, 9, 9), title="Title", notes=["one", "two"])
    contact_sheet.write(str(tmp_path / "sheet.png"), sheet)
    assert (cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1] == sheet).all()
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
