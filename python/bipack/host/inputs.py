"""What Nuke itself does for a cook: decide what is cooked to where, render the inputs, show the results.

Everything here touches Nuke and runs on its main thread only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, List, Mapping, Optional, Tuple

import nuke

from bipack import messages, settings
from bipack.errors import UsageError
from bipack.frames import FramePath, format_frames
from bipack.host import exr, graph, knobs, model, recipe, retiming, state
from bipack.host.cache import CookFolder
from bipack.host.node import MATTE_WRITE, PLATE_WRITE, RESULT_READ, SHOW_RESULT, BipackNode, views


@dataclass(frozen=True)
class Preparation:
    """What was decided before the first frame."""

    chosen: model.ChosenModel
    recipe: recipe.Recipe
    folder: CookFolder
    inputs: str
    """Folder of this cook's inputs; removed at its end."""

    views: Tuple[str, ...]
    plate: str
    """File pattern of the plate, with %V where the script has several views."""

    matte: Optional[str]
    plate_range: Tuple[int, int]
    reach: graph.Reach
    request: messages.Render
    """What all requests of this cook have in common."""

    def files(self, frame: int) -> List[str]:
        """Plate files of one frame."""
        return self._of_views(self.plate, frame)

    def matte_files(self, frame: int) -> List[str]:
        """Matte files of one frame; none where no matte is used."""
        return self._of_views(self.matte, frame) if self.matte else []

    def matte_window(self, frame: int) -> Tuple[int, ...]:
        """Frames whose matte the result of `frame` is made from: of a frame that lends, the matte counts as well."""
        others = self.reach.lending is not None or self.reach.retimed is not None
        return self.window(frame) if others else (frame,)

    def settings(self, node: BipackNode, frame: int) -> Mapping[str, Any]:
        """What the worker is told of the knobs. It sees no more of the shot than is written: it gets the key frames."""
        found = knobs.settings_at(node, self.chosen, frame)
        if self.reach.lending is not None:
            keys = graph.key_frames(self.reach, self.plate_range)
            found.update(key_frames=",".join(map(str, keys)), keys=0)
        if retiming.is_retimer(node):
            found.update(retiming.request_settings(node, frame))
        return found

    def _of_views(self, pattern: str, frame: int) -> List[str]:
        return [FramePath.parse(pattern.replace("%V", view)).path(frame) for view in self.views or ("",)]

    def window(self, frame: int) -> Tuple[int, ...]:
        """Plate frames that the result of `frame` is made from."""
        return graph.window(frame, self.reach, self.plate_range)


@dataclass(frozen=True)
class FrameOrder:
    """One frame whose inputs are on disk: what the worker must be told, and what is to be remembered."""

    frame: int
    settings: Mapping[str, Any]
    sources: Mapping[str, Tuple[int, int]]

    def requests(self, preparation: Preparation) -> List[Tuple[str, messages.Render]]:
        """A request for each view, with the view's name."""
        result = []
        for view in preparation.views or ("",):
            request = replace(
                preparation.request,
                input=preparation.plate.replace("%V", view),
                matte=preparation.matte.replace("%V", view) if preparation.matte else None,
                output=preparation.folder.result_of(view),
                frames=(self.frame,),
                settings=self.settings,
            )
            result.append((view, request))
        return result


def prepare(node: BipackNode) -> Preparation:
    """Read all that a cook depends on from the node, and set its helper Writes up.

    Raises a BipackError when the node cannot be cooked as it stands.
    """
    chosen = knobs.load_model(node)
    now = state.outlook(node)
    inputs = now.folder.input_folder()
    suffix = "%V.%04d.exr" if views() else "%04d.exr"
    plate, matte = f"{inputs}/plate.{suffix}", None
    depth = str(node.value("depth"))
    exr.prepare_write(node.inner(PLATE_WRITE), plate, knobs.plate_channels(node), depth)
    if node.matte is not None and chosen.takes_matte:
        matte = f"{inputs}/matte.{suffix}"
        exr.prepare_write(node.inner(MATTE_WRITE), matte, knobs.matte_channel(node), depth)
    request = messages.Render(
        job="",
        model=chosen.path,
        input="",
        output="",
        layer=knobs.layer(node),
        device=_or_setting(str(node.value("device")), "device"),
        require_gpu=bool(node.value("require_gpu")) or settings.get_flag("require_gpu"),
        tile=_or_setting(knobs.tile(node), "tile"),
        # The worker itself finds frames finished whose model, settings and input pixels are the same.
        existing="resume",
    )
    now.folder.write_recipe(now.recipe.facts, now.recipe.digest)
    plate_range, reach = graph.plate_range(node), knobs.reach(node, chosen)
    if retiming.is_retimer(node):
        request = replace(request, source=retiming.of(node).source)
    return Preparation(chosen, now.recipe, now.folder, inputs, views(), plate, matte, plate_range, reach, request)


def _or_setting(chosen: str, setting: str) -> str:
    """What the node says, else what the site or the farm set for `auto`."""
    return settings.get(setting) if chosen == "auto" else chosen


def write(node: BipackNode, preparation: Preparation, frame: int, done: List[int]) -> FrameOrder:
    """Render plate (with its window) and matte of `frame` into the cache.

    Raises UsageError when the comp above or the node was changed since `prepare`, exr.NukeIsBusy, Cancelled, or
    MissingInput when the comp above cannot be rendered.
    """
    now = recipe.of(node, preparation.chosen)
    if now.digest != preparation.recipe.digest:
        what = "; ".join(recipe.differences(preparation.recipe.facts, now.facts)) or "the comp above changed"
        finished = format_frames(done) or "none"
        raise UsageError(f"{node.name} was changed while it cooked ({what}). Finished frames: {finished}. Cook again.")
    window = preparation.window(frame)
    sources = now.sources(window)
    for needed in window:
        if not all(os.path.isfile(path) for path in preparation.files(needed)):
            exr.render(node.inner(PLATE_WRITE), preparation.plate, needed, preparation.views)
    if preparation.matte is not None:
        for needed in preparation.matte_window(frame):
            if not all(os.path.isfile(path) for path in preparation.matte_files(needed)):
                exr.render(node.inner(MATTE_WRITE), preparation.matte, needed, preparation.views)
    return FrameOrder(frame, preparation.settings(node, frame), sources)


def finish(node: BipackNode, folder: CookFolder, scale: Optional[int]) -> None:
    """Show what was made, and let the helper Writes forget paths that farm submitters would collect as inputs."""
    show(node, folder, scale)
    for name in (PLATE_WRITE, MATTE_WRITE):
        exr.forget(node.inner(name))


def show(node: BipackNode, folder: CookFolder, scale: Optional[int]) -> None:
    """Let the node show what is in `folder` by now; with no `scale` known it is taken from the frames."""
    present = folder.frames()
    if not present:
        return
    read, root = node.inner(RESULT_READ), nuke.root()
    plate = node.cook_range() if retiming.is_retimer(node) else graph.plate_range(node)
    # Inside this range a frame that is not on disk is an error; outside it the Read holds its ends without a word.
    first = min(present[0], plate[0], int(root.firstFrame()))
    last = max(present[-1], plate[1], int(root.lastFrame()))
    exr.show(read, folder.result, first, last)
    if scale is None:
        knobs.fit_scale(node, max(1, round(read.width() / max(1, node.plate.width()))))
    node.set("show", SHOW_RESULT)


def attach(node: BipackNode) -> None:
    """Show the frames of the present recipe where the cache has some and the node shows others or none.

    They may come from another farm task, from a colleague, or from before a change that was taken back.
    """
    now, shown = state.outlook(node), state.shown_folder(node)
    if now.folder.frames() and (shown is None or shown.path != now.folder.path):
        knobs.load_model(node)
        show(node, now.folder, now.chosen.scale)
