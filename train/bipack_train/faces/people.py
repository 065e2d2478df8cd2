"""Random people, poses and light: what the pool of training faces is drawn from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bipack.errors import MissingInput
from bipack_train import pictures
from bipack_train.faces import light as lights
from bipack_train.faces import mesh
from bipack_train.faces.extras import Extras
from bipack_train.faces.hair import STYLES, Hair
from bipack_train.faces.light import Light
from bipack_train.faces.mesh import Floats, Head, Numbers
from bipack_train.faces.portrait import Camera, Person, Pose, Rendered
from bipack_train.faces.render import render
from bipack_train.faces.skin import Skin, linear

# sRGB: black, browns, chestnut, red, blonds, greys, white.
_HAIR = ((18, 15, 14), (30, 22, 18), (48, 33, 24), (72, 49, 34), (98, 66, 42), (120, 62, 34), (150, 104, 62),
         (190, 150, 100), (214, 184, 140), (96, 92, 90), (150, 147, 144), (205, 203, 200))  # fmt: skip
_EYES = ((52, 33, 22), (74, 48, 30), (98, 72, 42), (88, 96, 66), (94, 116, 132), (70, 92, 120))

_STYLES = dict(zip(STYLES, (0.07, 0.12, 0.14, 0.10, 0.10, 0.09, 0.09, 0.13, 0.05, 0.04, 0.06, 0.05, 0.0), strict=True))
_LENGTHS = {"short": (2, 6), "quiff": (3, 7), "side": (4, 9), "fringe": (7, 14), "bob": (12, 20), "long": (22, 42),
            "curly": (7, 26), "afro": (3, 9), "back": (6, 13), "bun": (8, 13)}  # fmt: skip


def person(rng: np.random.Generator) -> Person:
    """Someone new."""
    tone = float(rng.beta(1.1, 1.7))
    darkest = 4 if tone > 0.5 or rng.random() < 0.4 else len(_HAIR)
    grey = rng.random() < 0.12
    color = linear(np.array(_HAIR[int(rng.integers(9, 12) if grey else rng.integers(0, darkest))], np.float32))
    if rng.random() < 0.01:
        color = (rng.random(3) ** 2).astype(np.float32)
    color = color * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    manly = rng.random() < 0.5
    style = str(rng.choice(STYLES, p=np.array(list(_STYLES.values())) / sum(_STYLES.values())))
    least, most = _LENGTHS.get(style, (1, 1))
    beard = float(rng.uniform(1, 6)) if manly and rng.random() < 0.22 else 0.0
    stubble = float(rng.uniform(0.15, 0.85)) if manly and rng.random() < 0.6 else 0.0
    shape = [(1.0, 1.0, 1.0), (1.0, 0.6, 0.0), (0.9, 0.0, 0.0), (0.6, 1.0, 0.7)][
        int(rng.choice(4, p=[0.6, 0.2, 0.08, 0.12]))
    ]
    hair = Hair(
        style=style,
        seed=int(rng.integers(1 << 30)),
        color=_triple(color),
        length=float(rng.uniform(least, most)),
        volume=float(rng.uniform(0.5, 2.6)) * (1.4 if style in ("afro", "curly") else 1.0),
        curl=float(rng.uniform(0.5, 1)) if style in ("curly", "afro") else float(rng.choice([0, rng.uniform(0, 0.8)])),
        parting=float(rng.normal(0, 2.5)),
        strands=int(rng.integers(800, 1500)),
        beard_length=beard,
    )
    skin = Skin(
        seed=int(rng.integers(1 << 30)),
        tone=tone,
        warmth=float(rng.normal(0, 0.9)),
        redness=float(rng.uniform(0.1, 1.3)),
        freckles=float(rng.choice([0, rng.random()], p=[0.8, 0.2])),
        mottling=float(rng.uniform(0.1, 1.2)),
        stubble=max(stubble, 0.8 if beard else 0.0),
        lipstick=0.0 if manly else float(rng.choice([0, rng.uniform(0.2, 0.9)])),
        lip_color=_triple(np.array([rng.uniform(0.2, 0.6), rng.uniform(0.01, 0.2), rng.uniform(0.02, 0.2)])),
        makeup=0.0 if manly else float(rng.choice([0, rng.uniform(0.1, 0.9)])),
        oil=float(rng.uniform(0.1, 1.1)),
        brow_color=_triple(np.minimum(color, 0.35) * rng.uniform(0.5, 1.0)),
        brow_density=float(rng.uniform(0.45, 1.0)),
        brow=(float(rng.normal(0.003, 0.004)), float(rng.uniform(0.008, 0.018))),
        hair_color=_triple(color),
        scalp=0.0 if style == "bald" else float(rng.uniform(0.55, 0.95)),
        raise_front=float(rng.normal(0, 0.7)),
        recede=float(abs(rng.normal(0, 0.8))),
        beard_like=shape,
    )
    return Person(
        identity=np.clip(rng.normal(0, 0.85, mesh.IDENTITIES), -2, 2).astype(np.float32),
        skin=skin,
        hair=hair,
        eye_color=_triple(linear(np.array(_EYES[int(rng.integers(len(_EYES)))], np.float32)) * rng.uniform(0.7, 1.3)),
        teeth=float(rng.uniform(0.65, 1.1)),
    )


def varied(rng: np.random.Generator, who: Person) -> Person:
    """The same person with what photographs show and `person` seldom draws: brows of any line, thickness and color,
    thin lips, thick and fine hair, bangs dense or thin, grey hair above dark brows, grey stubble, grey beards,
    no lashes to be seen."""
    shift, half = who.skin.brow[:2]
    thick = float(np.clip(half * np.exp(rng.normal(0, 0.25)), 0.006, 0.024))
    dark = np.array([0.03, 0.018, 0.012]) * rng.uniform(0.5, 1.5)
    color = dark + (np.array(who.skin.brow_color) - dark) * rng.random()
    skin = replace(
        who.skin,
        brow=(shift + float(rng.normal(0, 0.004)), thick, float(rng.normal(0, 0.005)), float(rng.normal(0, 0.006))),
        brow_color=_triple(color),
        brow_density=float(rng.uniform(0.35, 1.15)),
        brow_grain=float(rng.uniform(0.05, 0.3)),
        lips=(float(rng.uniform(0.45, 1.05)), float(rng.uniform(0.6, 1.05))),
    )
    if skin.stubble > 0 and rng.random() < 0.25:
        skin = replace(skin, hair_color=_triple(np.full(3, rng.uniform(0.15, 0.6))))
    fineness = float(np.exp(rng.uniform(0, np.log(3)))) if rng.random() < 0.7 else 1.0
    hair = replace(who.hair, strands=int(who.hair.strands * rng.uniform(1.0, 1.8)), fineness=fineness)
    if rng.random() < 0.12:
        grey = _triple(rng.uniform(0.12, 0.7) * np.exp(rng.normal(0, 0.04, 3)))
        skin, hair = replace(skin, hair_color=grey), replace(hair, color=grey)
    if hair.beard_length >= 1 and rng.random() < 0.4:
        grey = _triple(rng.uniform(0.1, 0.6) * np.exp(rng.normal(0, 0.04, 3)))
        skin, hair = replace(skin, hair_color=grey), replace(hair, color=grey)
    if hair.style not in ("bald", "buzz", "afro") and rng.random() < 0.33:
        length, strands = float(rng.uniform(9, 35)), int(rng.integers(1000, 3200))
        hair = replace(hair, style="bangs", length=length, strands=strands, parting=0.0)
    return replace(who, skin=skin, hair=hair, lashes=bool(rng.random() < 0.5))


def expression(rng: np.random.Generator, head: Head) -> Floats:
    """(17,) a face at rest, smiling, speaking, or anything."""
    values = dict.fromkeys(head.expressions, 0.0)
    kind = rng.choice(["rest", "smile", "laugh", "speak", "any"], p=[0.22, 0.25, 0.2, 0.15, 0.18])
    if kind in ("smile", "laugh"):
        amount = rng.uniform(0.4, 1.1)
        for side in "LR":
            values[f"mouthSmile_{side}"] = amount * rng.uniform(0.85, 1.0)
            values[f"cheekSquint_{side}"] = amount * rng.uniform(0.2, 1.0)
            values[f"eyeBlink_{side}"] = rng.uniform(0, 0.35)
        values["jawOpen"] = rng.uniform(0.12, 0.55) if kind == "laugh" else rng.uniform(0, 0.12)
    elif kind == "speak":
        values["jawOpen"] = rng.uniform(0.05, 0.5)
        values[str(rng.choice(["mouthFunnel", "mouthPucker"]))] = rng.uniform(0, 0.9)
    elif kind == "any":
        for name in head.expressions:
            if rng.random() < 0.3:
                values[name] = rng.uniform(0, 0.9)
    if rng.random() < 0.1:
        values["eyeBlink_L"] = values["eyeBlink_R"] = rng.uniform(0.6, 1.0)
    if rng.random() < 0.25:
        for name in ("browInnerUp_L", "browInnerUp_R") if rng.random() < 0.6 else ("browDown_L", "browDown_R"):
            values[name] = rng.uniform(0.2, 0.9)
    return np.array([values[name] for name in head.expressions], np.float32)


def pose(rng: np.random.Generator, profiles: float = 0.17, nod: float = 12) -> Pose:
    """Mostly towards the camera, one in six a profile, or a share of `profiles`; nods deviate by `nod` degrees."""
    yaw = rng.uniform(50, 100) * rng.choice([-1, 1]) if rng.random() < profiles else rng.normal(0, 24)
    gaze = (float(np.clip(rng.normal(0, 10), -25, 25)), float(np.clip(rng.normal(0, 6), -15, 15)))
    return Pose(float(yaw), float(np.clip(rng.normal(0, nod), -40, 40)), float(rng.normal(0, 8)), gaze)


def extras(rng: np.random.Generator) -> Extras:
    """Clothes always but for a few; glasses on a third; a hat, a hand or a microphone now and then."""
    cloth = rng.random(3) ** 2 * 0.7 if rng.random() < 0.6 else np.full(3, rng.random() ** 2 * 0.75)
    return Extras(
        seed=int(rng.integers(1 << 30)),
        cloth=None if rng.random() < 0.06 else _triple(cloth),
        glasses=str(rng.choice(["none", "thin", "thick", "sun"], p=[0.66, 0.14, 0.13, 0.07])),
        hat=str(rng.choice(["none", "beanie", "cap"], p=[0.93, 0.04, 0.03])),
        hand=str(rng.choice(["none", "mouth", "cheek", "brow"], p=[0.84, 0.07, 0.06, 0.03])),
        microphone=bool(rng.random() < 0.03),
    )


@dataclass(frozen=True, eq=False)
class Studio:
    """What faces are lit with."""

    head: Head
    panoramas: tuple[Floats, ...]
    """Scene-linear lat-long pictures, small."""

    def light(self, rng: np.random.Generator) -> Light:
        """Real surroundings for half of all faces, drawn lamps for the rest."""
        if self.panoramas and rng.random() < 0.5:
            found = lights.from_panorama(self.panoramas[int(rng.integers(len(self.panoramas)))], float(rng.random()))
        else:
            found = lights.drawn(rng)
        return found.scaled(float(2.0 ** rng.normal(0, 0.45)))

    def face(self, rng: np.random.Generator, who: Person, size: int, close: bool = False) -> Rendered:
        """One picture of `who` under a pose, light and framing of its own; `close` fills it as a crop does."""
        camera = Camera(
            size=size,
            span=float(np.exp(rng.uniform(*np.log((31, 40) if close else (30, 48))))),
            center=(float(rng.normal(0.5, 0.05)), float(rng.normal(0.52, 0.05))),
            distance=float(rng.uniform(60, 250)),
        )
        age = float(rng.choice([0.0, rng.random()], p=[0.4, 0.6]))
        lit = self.light(rng)
        return render(
            self.head,
            who,
            lit,
            expression=expression(rng, self.head),
            pose=pose(rng, 0.2, 17) if close else pose(rng),
            camera=camera,
            age=age,
            extras=extras(rng),
        )


def studio(data: str, panoramas: str, exclude: Sequence[str] = ()) -> Studio:
    """Read mesh and panoramas from the folder `data`; `exclude` names files relative to it. Raises MissingInput."""
    head = mesh.load(data)
    found: list[Floats] = []
    if panoramas:
        folder = os.path.join(data, panoramas)
        for name in pictures.list_files(folder, (".exr",)):
            if f"{panoramas}/{name}" not in exclude:
                found.append(_small(pictures.read_panorama(os.path.join(folder, name))))
        if not found:
            raise MissingInput(f"No panorama (.exr) in {folder}.")
    return Studio(head, tuple(found))


def _small(panorama: Floats) -> Floats:
    """Shrunk by averaging whole blocks, so that suns keep their energy."""
    factor = max(1, panorama.shape[0] // 64)
    height, width = (side // factor * factor for side in panorama.shape[:2])
    blocks = panorama[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    return np.asarray(blocks.mean((1, 3)), np.float32)


def _triple(values: Numbers) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.clip(values, 0.002, 0.9))
    return red, green, blue
