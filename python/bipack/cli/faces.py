"""`bipack faces`: faces tracked over a shot; mattes of their regions, stabilised crops, and edited crops put back.

First every frame is looked at (or the artist's track read), then the frames are cooked through the same path as those
of every other tool. What is written into OUTDIR: regions.%04d.exr, face1.%04d.exr…, track.json and track.nk.
"""

from __future__ import annotations

import argparse
import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ContextManager, List, Optional, Sequence, Tuple

from bipack import messages, settings
from bipack.cli.reports import JsonReport, Report, TextReport
from bipack.cli.waiting import wait_for
from bipack.errors import MissingInput, UsageError
from bipack.frames import FramePath, format_frames, resolve_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from bipack.imaging.faces.track import Track
    from bipack.imaging.faces.track_file import TrackFile
    from bipack.worker.faces.enlarge import FaceSuperRes
    from bipack.worker.faces.parser import Parser
    from bipack.worker.step import Step

SIZES = (64, 4096)
"""Smallest and largest side of a crop."""


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "faces",
        help="track faces; write mattes of their regions, and stabilised crops",
        description="Track faces over a shot; write mattes of their regions, stabilised crops, and the track for Nuke.",
    )
    parser.add_argument("input", metavar="INPUT", help="plate.%%04d.exr, plate.####.exr or one file")
    parser.add_argument("outdir", metavar="OUTDIR", help="folder for mattes, crops and track")
    parser.add_argument("--frames", metavar="RANGE", help="1001-1010x2,1020; default: all that are on disk")
    given = parser.add_mutually_exclusive_group()
    given.add_argument(
        "--track", metavar="FILE", help="a track of your own: .json, or .nk with a corner pin or tracker"
    )
    given.add_argument(
        "--corners", metavar="X,Y,…", help="corners of a crop that stands still: lower left, lower right, upper right, "
        "upper left, as Nuke counts pixels",
    )  # fmt: skip
    parser.add_argument("--face", metavar="N|all", default="all", help="only this face of the track (default all)")
    parser.add_argument("--size", type=int, default=1024, help="side of the crops in pixels (default 1024)")
    parser.add_argument(
        "--grow", type=float, default=0.0, help="grow mattes, in pixels of a 1024 crop; below 0 shrinks"
    )
    parser.add_argument("--feather", type=float, default=0.0, help="soften mattes, in pixels of a 1024 crop")
    parser.add_argument("--steady", type=int, default=1, help="frames on each side that steady the mattes (default 1)")
    less = parser.add_mutually_exclusive_group()
    less.add_argument("--no-crops", action="store_true", help="mattes and track only")
    less.add_argument("--crops-only", action="store_true", help="crops (with their mattes) and track only")
    less.add_argument("--track-only", action="store_true", help="track.json and track.nk only")
    parser.add_argument(
        "--super-res", metavar="MODEL", nargs="?", const="auto", help="bring faces that are small in the plate to "
        "--size by a super-res model (default: superres_x2 or superres_x4, as the face needs)",
    )  # fmt: skip
    parser.add_argument(
        "--put-back", metavar="PATTERN", action="append", help="put these edited crops back into the plate; given more "
        "than once, the changes of all of them",
    )  # fmt: skip
    parser.add_argument(
        "--before", metavar="PATTERN", help="with it: the crops before the edit (default: those in OUTDIR, else cut "
        "again)",
    )  # fmt: skip
    parser.add_argument("--model", default="face_parser", help="the parser (default face_parser)")
    parser.add_argument("--layer", default="rgba", help="layer of the plate to look at (default rgba)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: the setting, else auto)")
    parser.add_argument("--require-gpu", action="store_true", help="stop with exit code 13 rather than use the CPU")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="skip frames that are finished and still true")
    existing.add_argument("--overwrite", action="store_true", help="cook every frame (the default)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")


def run(args: argparse.Namespace) -> int:
    """Track and cook, or put back. Returns 0; raises BipackError or KeyboardInterrupt."""
    if not SIZES[0] <= args.size <= SIZES[1]:
        raise UsageError(f"--size is {args.size}; allowed are {SIZES[0]} to {SIZES[1]} pixels.")
    if not 0 <= args.steady <= 8:
        raise UsageError(f"--steady is {args.steady}; allowed are 0 to 8 frames.")
    job = _Job(args)
    wait_for(job.put_back if args.put_back else job.cook)
    return 0


class _Job:
    """One command line at work."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.plate = FramePath.parse(args.input)
        self.frames = resolve_frames(self.plate, args.frames)
        self.report: Report = JsonReport() if args.json else TextReport(len(self.frames))

    def cook(self, cancel: threading.Event) -> None:
        """Track, then mattes, then crops."""
        from bipack.worker.faces.parser import Parser
        from bipack.worker.faces.steps import CropStep, RegionsStep

        args = self.args
        device = settings.get("device", args.device)
        with Parser(args.model, device, args.require_gpu or settings.get_flag("require_gpu")) as parser:
            for text in parser.notices:
                self.say(text)
            tracks = self.chosen(self.tracked(parser, cancel))
            if args.track_only:
                return
            shape = {"grow": args.grow, "feather": args.feather}
            if not args.crops_only:
                self.sequence(RegionsStep(parser, tracks, args.steady), "regions", self.frames, shape, cancel)
            for track in () if args.no_crops else tracks:
                here = tuple(frame for frame in self.frames if frame in track.places)
                if not here:
                    continue
                with self.enlarging(track) as larger:
                    step = CropStep(parser, track, args.size, args.steady, larger)
                    self.sequence(step, f"face{track.number}", here, shape, cancel)

    def enlarging(self, track: Track) -> ContextManager[Optional[FaceSuperRes]]:
        """The super-res model that --super-res asks for."""
        if not self.args.super_res:
            return nullcontext()
        from bipack.worker.faces.enlarge import AUTO, FaceSuperRes, model_for

        args = self.args
        name = model_for([track], args.size) if args.super_res == AUTO else args.super_res
        gpu = args.require_gpu or settings.get_flag("require_gpu")
        return FaceSuperRes(name, settings.get("device", args.device), gpu)

    def put_back(self, cancel: threading.Event) -> None:
        """Edited crops into the plate."""
        from bipack.worker.faces.steps import PutBackStep

        args = self.args
        path = args.track or os.path.join(args.outdir, "track.json")
        tracks = self.corners().tracks if args.corners else self.read_track(path).tracks
        chosen = self.chosen(tracks)
        if len(chosen) != 1:
            raise UsageError(f"The track {path} has {len(chosen)} faces. Say with --face whose crops are put back.")
        here = [frame for frame in self.frames if frame in chosen[0].places]
        for pattern in args.put_back:
            crops = FramePath.parse(pattern)
            missing = [frame for frame in here if not os.path.isfile(crops.path(frame))]
            if missing:
                raise MissingInput(f"Crops {format_frames(missing)} of {pattern} are missing.")
        suffix = self.plate.suffix if self.plate.is_sequence else os.path.splitext(self.plate.prefix)[1]
        knobs = {f"crop{index + 1}": pattern for index, pattern in enumerate(args.put_back)}
        knobs["before"] = args.before or self.earlier_crops(chosen[0], here)
        step = PutBackStep(chosen[0], len(args.put_back))
        self.sequence(step, "put_back", self.frames, knobs, cancel, suffix)

    def earlier_crops(self, track: Track, frames: Sequence[int]) -> str:
        """Pattern of the crops in OUTDIR, if they are there and are not the edited ones; else empty: cut them again.

        Raises UsageError where the edited ones lie in the place of crops that a super-res model made.
        """
        from bipack.imaging.image_io import read_frame
        from bipack.worker.faces.enlarge import ATTRIBUTE

        pattern = os.path.join(self.args.outdir, f"face{track.number}{self.number()}.exr")
        files = [FramePath.parse(pattern).path(frame) for frame in frames]
        if not files or not all(os.path.isfile(path) for path in files):
            return ""
        edited = [os.path.abspath(FramePath.parse(one).path(frames[0])) for one in self.args.put_back]
        if os.path.abspath(files[0]) not in edited:
            return pattern
        model = read_frame(files[0]).parts[0].attributes.get(ATTRIBUTE)
        if model:
            raise UsageError(
                f"{pattern} are the crops that {model} made, so nothing tells what was edited. Write the edited crops "
                "beside them, or name with --before the crops before the edit."
            )
        return ""

    # -- the track -------------------------------------------------------------------------------------------------

    def tracked(self, parser: Parser, cancel: threading.Event) -> List[Track]:
        """The faces of the shot, found or given; written as JSON and for Nuke."""
        from bipack.imaging.faces import track_file, track_nk
        from bipack.imaging.faces.track_file import TrackFile
        from bipack.worker.faces import shot

        if self.args.track or self.args.corners:
            file = self.read_track(self.args.track) if self.args.track else self.corners()
        else:
            tracks, (width, height) = shot.track(
                parser, self.plate, self.frames, self.args.layer, self.looked_at, cancel
            )
            file = TrackFile(width, height, tracks)
        os.makedirs(self.args.outdir, exist_ok=True)
        track_file.save(os.path.join(self.args.outdir, "track.json"), file)
        track_nk.save(os.path.join(self.args.outdir, "track.nk"), file, self.args.size)
        self.tell_faces(file.tracks)
        return list(file.tracks)

    def read_track(self, path: str) -> TrackFile:
        """An artist's track, or one of ours, for the format of the plate, on the frames that there are."""
        from bipack.imaging.faces import nuke_track, track_file
        from bipack.imaging.faces.track import Track
        from bipack.imaging.faces.track_file import TrackFile
        from bipack.worker.faces import shot

        width, height = shot.format_of(self.plate.path(self.frames[0]))
        if path.lower().endswith((".nk", ".gizmo")):
            return TrackFile(width, height, [nuke_track.load(path, height, self.frames)])
        file = track_file.load(path, self.frames)
        if file.width and (file.width, file.height) != (width, height):
            raise UsageError(
                f"The track {path} was made for {file.width}x{file.height} pixels, the plate is {width}x{height}. "
                "Track the plate at the size at which it is cooked."
            )
        # Beyond the ends of the shot a neighbour's stand-in would be looked at in the wrong place.
        present = set(self.plate.existing()) or set(self.frames)
        tracks = [
            Track(one.number, {frame: place for frame, place in one.places.items() if frame in present})
            for one in file.tracks
        ]
        return TrackFile(width, height, tracks)

    def corners(self) -> TrackFile:
        """A crop that stands still, by its corners in Nuke's pixels."""
        from bipack.imaging.faces.square import from_corners
        from bipack.imaging.faces.track import given
        from bipack.imaging.faces.track_file import TrackFile
        from bipack.worker.faces import shot

        width, height = shot.format_of(self.plate.path(self.frames[0]))
        square = from_corners([[x, height - y] for x, y in _pairs(self.args.corners)])
        return TrackFile(width, height, [given({self.frames[0]: square}, self.frames)])

    def chosen(self, tracks: Sequence[Track]) -> List[Track]:
        """The faces that --face asks for."""
        if self.args.face == "all":
            return list(tracks)
        found = [track for track in tracks if str(track.number) == self.args.face]
        if not found:
            known = ", ".join(str(track.number) for track in tracks) or "none"
            raise UsageError(f"--face is {self.args.face!r}; the faces of this shot are: {known} (or all).")
        return found

    # -- cooking ---------------------------------------------------------------------------------------------------

    def sequence(
        self,
        step: Step,
        name: str,
        frames: Tuple[int, ...],
        knobs: Any,
        cancel: threading.Event,
        suffix: str = ".exr",
    ) -> None:
        """Run one step over the frames into OUTDIR/<name>."""
        from bipack.worker.sequence import run_sequence

        request = messages.Render(
            job=name,
            model=step.name,
            input=self.args.input,
            output=os.path.join(self.args.outdir, name + self.number() + suffix),
            frames=frames,
            settings=knobs,
            layer=self.args.layer,
            existing="resume" if self.args.resume else "overwrite",
        )
        self.report(run_sequence(request, step, self.report, cancel))

    def number(self) -> str:
        """The frame number in the names of what is written, padded as the plate is."""
        return f".%0{max(1, self.plate.padding)}d" if self.plate.padding is not None else ""

    # -- words -----------------------------------------------------------------------------------------------------

    def say(self, text: str, frame: Optional[int] = None) -> None:
        """Something that the user should know."""
        self.report(messages.Notice("faces", text, frame))

    def looked_at(self, frame: int, count: int) -> None:
        """Progress of the first pass."""
        done = self.frames.index(frame) + 1
        self.report(messages.Progress("track", frame, 1.0, done, len(self.frames)))

    def tell_faces(self, tracks: Sequence[Track]) -> None:
        """What was found, and on which frames a face is missing."""
        if not tracks:
            self.say(
                f"No face was found in {len(self.frames)} frames; the mattes are empty. "
                "Give its place with --track or --corners."
            )
        for track in tracks:
            frames = [frame for frame in self.frames if frame in track.places]
            filled = [frame for frame in frames if track.places[frame].how == "filled"]
            text = f"Face {track.number}: frames {format_frames(frames)}"
            self.say(text + (f", {format_frames(filled)} filled in between." if filled else "."))


def _pairs(text: str) -> List[Tuple[float, float]]:
    try:
        numbers = [float(word) for word in text.replace(" ", ",").split(",") if word]
    except ValueError:
        numbers = []
    if len(numbers) != 8:
        raise UsageError(f"--corners is {text!r}; eight numbers are needed: x,y of the four corners.")
    return list(zip(numbers[::2], numbers[1::2]))
