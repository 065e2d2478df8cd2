"""`bipack models`: the catalogue as a table, one card in plain words, or a model checked from end to end."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, List, Tuple

from bipack import card as cards
from bipack import catalog, enlarge_knobs, settings
from bipack.card import Knob, ModelCard, Port
from bipack.errors import BipackError, ModelRefused

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command and its three forms."""
    parser = subparsers.add_parser(
        "models",
        help="list the models, show one, or check a file",
        description="List the models; `models show NAME` prints a card, `models check PATH` checks a model.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON value on stdout")
    forms = parser.add_subparsers(dest="form", metavar="show|check")
    for form, what in (
        ("show", "print a model's card"),
        ("check", "check card, hash, graph, tiling, range and parity"),
    ):
        sub = forms.add_parser(form, help=what, description=what[0].upper() + what[1:] + ".")
        sub.add_argument("model", metavar="MODEL", help="catalogue name, folder with a card, or .onnx file")
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON value on stdout")


def run(args: argparse.Namespace) -> int:
    """Print what was asked for. Returns 0, or 12 where a check found something wrong."""
    if args.form == "show":
        return _show(args.model, args.json)
    if args.form == "check":
        return _check(args.model, args.json)
    return _list(args.json)


def refused() -> List[Tuple[str, str]]:
    """Folder and sentence for every model on the model path whose card cannot be used."""
    found = []
    for folder in settings.model_folders():
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            candidate = os.path.join(folder, name)
            if os.path.isfile(os.path.join(candidate, cards.CARD_NAME)):
                try:
                    catalog.locate(candidate)
                except BipackError as error:
                    found.append((candidate, str(error)))
    return found


def _list(as_json: bool) -> int:
    models = [(found, found.card) for found in catalog.installed()]
    if as_json:
        rows = [{"path": found.path, **dataclasses.asdict(card)} for found, card in models if card is not None]
        print(json.dumps(rows, indent=2))
        return 0
    table = [("NAME", "VERSION", "SCALE", "TILING", "PURPOSE")]
    table += [
        (found.name, card.version, f"{card.scale}x", card.geometry.tiling, card.purpose)
        for found, card in models
        if card is not None
    ]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        print("  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[4]]))
    for _, sentence in refused():
        print(f"refused: {sentence}")
    return 0


def _show(model: str, as_json: bool) -> int:
    located = catalog.locate(model)
    card = located.card
    if card is None:
        raise ModelRefused(f"{located.path} is a bare ONNX file without a card. `bipack models check` looks into it.")
    if as_json:
        print(json.dumps({"path": located.path, **dataclasses.asdict(card)}, indent=2))
    else:
        print(in_words(card, located.path))
    return 0


def _check(model: str, as_json: bool) -> int:
    located = catalog.locate(model)
    from bipack.worker import model_check

    checks = model_check.check(located)
    passes = model_check.passes(checks)
    if as_json:
        found = [dataclasses.asdict(entry) for entry in checks]
        print(json.dumps({"model": located.path, "passes": passes, "checks": found}, indent=2))
    else:
        for entry in checks:
            print(f"{entry.outcome:<6} {entry.topic:<9} {entry.text}")
        print(f"{located.name} {'is in order' if passes else 'must not be used as it is'}.")
    return 0 if passes else ModelRefused.exit_code


def in_words(card: ModelCard, path: str) -> str:
    """A card as an artist would read it."""
    size = "as large as the plate" if card.scale == 1 else f"{card.scale} times the plate's width and height"
    lines = [f"{card.title} {card.version}  ({card.name})", card.purpose, "", f"Result    {size}"]
    lines += [f"Needs     {_port(port)}" for port in card.inputs]
    g = card.geometry
    tiles = {
        "exact": f"exact: a tile sees {g.halo} pixels around it, so tiled and whole frame are the same",
        "blend": "cross-faded: the model looks at the whole picture, so tiles may differ a little",
        "whole": "never tiled: the whole frame must fit into memory",
    }
    lines.append(f"Tiles     {tiles[g.tiling]}")
    lines += _titled("Knobs", [_knob(knob) for knob in (*card.knobs, *enlarge_knobs.of_card(card))])
    lines += _titled("Scores", [_score(score) for score in card.scores])
    lines += _titled("It cannot", list(card.limits))
    lines += _titled("Trained on", [_source(source) for source in card.training.data])
    made = [text for text in (card.training.recipe, card.training.date, card.training.commit[:12]) if text]
    lines += _titled("Made by", [f"{card.author or 'unknown'}, licence {card.licence or 'not stated'}", *made])
    if card.likeness is not None:
        scope = card.likeness
        until = f", until {scope.expiry}" if scope.expiry else ""
        lines += _titled("Likeness", [f"{scope.performer} for {scope.show}{until}. Not for any other use."])
    lines += _titled("File", [path, f"sha256 {card.sha256}"])
    return "\n".join(lines)


def _titled(title: str, rows: List[str]) -> List[str]:
    return ["", title, *(f"  {row}" for row in rows)] if rows else []


def _port(port: Port) -> str:
    if port.role == "plate":
        frames = (
            "" if len(port.frame_offsets) == 1 else f" of frames {', '.join(f'{o:+d}' for o in port.frame_offsets)}"
        )
        aligned = ", aligned" if port.aligned else ""
        return f"plate, {port.channels} channel{'s'[: port.channels > 1]}{frames}{aligned}"
    if port.role == "matte":
        return f"matte{' (all white where none is given)' if port.optional else ''}"
    return {
        "noise": "noise, made by the worker",
        "amount": "an amount",
        "latent": "numbers",
        "flow": "motion in pixels",
        "size": "sizes in pixels",
    }[port.role]


def _knob(knob: Knob) -> str:
    choices = f" ({', '.join(knob.values)})" if knob.values else ""
    return f"{knob.name} = {knob.default}{choices}  {knob.tooltip}".rstrip()


def _score(score: cards.Score) -> str:
    against = "" if score.baseline_value is None else f", {score.baseline} {score.baseline_value:g}"
    return f"{score.metric} {score.value:g} on {score.set}{against}"


def _source(source: cards.Source) -> str:
    count = f", {source.items} items" if source.items else ""
    credit = f"; {source.credit}" if source.credit else ""
    return f"{source.name}{count} ({source.licence}){credit}"
