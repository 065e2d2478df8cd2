"""Finding a layer: bare and prefixed names, parts, views, and what is told when it is not there."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import ModelRefused
from bipack.imaging import layers
from bipack.imaging.frame import Box, Frame, Part


def part(names: str, **attributes: object) -> Part:
    box = Box.of_size(3, 2)
    return Part({name: np.zeros((2, 3), np.float16) for name in names.split()}, box, box, attributes)


NUKE = Frame([part("A B G R depth.Z forward.u forward.v spec.blue spec.green spec.red P.x P.y P.z mask.a mask.b")])
PARTS = Frame(
    [
        part("Z", name="depth.left", view="left"),
        part("B G R", name="diffuse.left", view="left"),
        part("A B G R", name="rgba.left", view="left"),
        part("A B G R", name="rgba.right", view="right"),
    ]
)


@pytest.mark.parametrize(
    ("layer", "channels", "names"),
    [
        ("rgba", 3, ("R", "G", "B")),
        ("rgba", 4, ("R", "G", "B", "A")),
        ("spec", 3, ("spec.red", "spec.green", "spec.blue")),
        ("P", 3, ("P.x", "P.y", "P.z")),
        ("forward", 2, ("forward.u", "forward.v")),
        ("depth", 1, ("depth.Z",)),
        ("alpha", 1, ("A",)),
        ("mask", 2, ("mask.a", "mask.b")),
    ],
)
def test_layers_of_one_part_are_found_by_nukes_names(layer, channels, names):
    assert layers.find(NUKE, layer, channels) == (0, names)


@pytest.mark.parametrize(
    ("layer", "channels", "expected"),
    [
        ("rgba", 3, (2, ("R", "G", "B"))),
        ("diffuse", 3, (1, ("R", "G", "B"))),
        ("depth", 1, (0, ("Z",))),
        ("rgba.right", 3, (3, ("R", "G", "B"))),
    ],
)
def test_a_layer_may_be_a_part_of_its_own(layer, channels, expected):
    assert layers.find(PARTS, layer, channels) == expected


def test_a_depth_or_position_part_is_never_the_picture():
    with pytest.raises(ModelRefused):
        layers.find(PARTS, "rgba", 1)
    with pytest.raises(ModelRefused):
        layers.find(Frame([part("R G B", name="position")]), "rgba", 3)
    assert layers.find(Frame([part("R G B", name="position"), part("R G B", name="fg")]), "rgba", 3)[0] == 1


def test_a_view_in_front_of_the_channel_is_a_layer():
    stereo = Frame([part("R G B left.R left.G left.B")])
    assert layers.find(stereo, "left", 3) == (0, ("left.R", "left.G", "left.B"))
    assert layers.find(stereo, "rgba", 3) == (0, ("R", "G", "B"))


def test_a_plain_z_is_layer_depth():
    assert layers.find(Frame([part("R G B Z")]), "depth", 1) == (0, ("Z",))


@pytest.mark.parametrize(
    ("names", "found"), [("Y", "Y"), ("Y A", "Y"), ("G", "G"), ("G A", "G"), ("Y Z", "Y"), ("A", "A"), ("Z", "Z")]
)
def test_one_channel_is_the_luminance_or_the_only_one(names, found):
    assert layers.find(Frame([part(names)]), "rgba", 1) == (0, (found,))


@pytest.mark.parametrize("names", ["R G B", "A B G R", "R G"])
def test_one_channel_of_a_color_picture_is_not_guessed(names):
    with pytest.raises(ModelRefused, match="1 channel is needed"):
        layers.find(Frame([part(names)]), "rgba", 1)


def test_the_refusal_names_the_file_and_what_it_has():
    grey = Frame([part("Y depth.Z")], source="/shots/plate.1001.exr")
    with pytest.raises(ModelRefused, match=r"3 channels is needed; plate\.1001\.exr has rgba: Y; depth: depth\.Z"):
        layers.find(grey, "rgba", 3)


def test_subsampled_color_is_no_picture_and_the_refusal_says_why():
    flowers = Frame([part("Y RY BY")])
    flowers.parts[0].subsampling.update(RY=(2, 2), BY=(2, 2))
    with pytest.raises(ModelRefused, match="convert to RGB"):
        layers.find(flowers, "rgba", 3)
    assert layers.find(flowers, "rgba", 1) == (0, ("Y",))


def test_layers_are_listed_with_their_channels():
    assert layers.layers_of(NUKE)["rgba"] == ["A", "B", "G", "R"]
    assert layers.layers_of(PARTS)["diffuse.left"] == ["B", "G", "R"]


@pytest.mark.parametrize(
    "name", ["depth.Z", "Z", "P.x", "id.X", "objectID.r", "forward.u", "uv.x", "normals.x", "crypto_asset00.red"]
)
def test_data_channels_are_known_by_their_names(name):
    assert layers.is_data(part(name), name)


@pytest.mark.parametrize("name", ["R", "A", "spec.red", "left.G", "indirect.R", "paint.R", "pass1.B", "grid.R"])
def test_pictures_are_not_taken_for_data(name):
    assert not layers.is_data(part(name), name)


def test_cryptomatte_layers_are_known_by_the_header():
    header = {"cryptomatte/1a2b3c4/name": "uCharacters"}
    assert layers.is_data(part("uCharacters00.red", **header), "uCharacters00.red")
    assert not layers.is_data(part("uCharactersBeauty.red", **header), "uCharactersBeauty.red")


def test_a_part_that_is_a_data_layer_makes_its_channels_data():
    assert layers.is_data(PARTS.parts[0], "Z")
    assert layers.is_data(part("R G B", name="position"), "R")
    assert not layers.is_data(PARTS.parts[1], "R")
