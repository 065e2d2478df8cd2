"""Four kinds of motion that slow motion is fitted to, each drawn by a seed: a shot is one animal, one machine, one day.

`gallop`: an animal with a spotted coat runs before a panning camera, four legs of two segments on a real gait, the back
bends, head and tail follow. `wheels`: a vehicle rolls on wheels with spokes, a propeller and gears turn. `wings`: birds
beat their wings, a flag waves, leaves sway. `gravity`: balls and boxes bounce, a pendulum swings, drops spray. Lengths
in pixels of a frame of 480x270, times in key intervals (1/30 s). Two shots of a kind that are drawn by different seeds
from different pictures share the kind of motion, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import high_speed_film as film
import numpy as np
from high_speed_film import Matrix, Pixels, Placed, Shot, Sprite, at, point

_TURN = 2 * np.pi


@dataclass(frozen=True)
class Drift:
    """A camera: how far it pans in a key interval, unevenly, and how the hand shakes."""

    pan: float
    uneven: float
    period: float
    shake: float
    phases: tuple[float, ...]

    def travelled(self, time: float) -> float:
        """Distance panned."""
        sway = self.uneven * self.period / _TURN
        return self.pan * (time - sway * np.cos(_TURN * time / self.period + self.phases[0]))

    def shaken(self, time: float) -> tuple[float, float]:
        """Where the hand holds it, besides."""
        slow, fast = time * 0.19, time * 0.43
        return (
            self.shake * (np.sin(slow + self.phases[1]) + 0.4 * np.sin(fast + self.phases[2])),
            self.shake * (np.sin(1.3 * slow + self.phases[3]) + 0.4 * np.sin(0.9 * fast + self.phases[4])),
        )


def _drift(rng: np.random.Generator, slowest: float, fastest: float) -> Drift:
    pan = float(rng.uniform(slowest, fastest) * rng.choice([-1, 1]))
    phases = tuple(float(phase) for phase in rng.uniform(0, _TURN, 5))
    return Drift(pan, float(rng.uniform(0.1, 0.3)), float(rng.uniform(25, 50)), float(rng.uniform(1.0, 2.5)), phases)


class _Filmed:
    """A background photograph behind a camera."""

    def __init__(self, picture: Pixels, rng: np.random.Generator, slowest: float, fastest: float) -> None:
        self.drift = _drift(rng, slowest, fastest)
        tall = 1.25 * film.HEIGHT
        self.background = film.cut(picture, rng, tall * picture.shape[1] / picture.shape[0], tall, 99.0)

    def camera(self, time: float) -> Matrix:
        """From the world to the frame."""
        x, y = self.drift.shaken(time)
        return at(x - self.drift.travelled(time), y - 0.12 * film.HEIGHT)

    def followed(self, x: float, y: float, time: float) -> tuple[float, float]:
        """In the world, a place in the frame that goes with the pan."""
        return x + self.drift.travelled(time), y + 0.12 * film.HEIGHT


# Gallop -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Leg:
    """One leg: its segments, when it swings, and how far."""

    upper: Sprite
    lower: Sprite
    length: float
    root: tuple[float, float]
    phase: float
    swing: float
    fold: float
    lean: float
    light: float

    def placed(self, body: Matrix, cycle: float) -> list[Placed]:
        """Both segments, hung on the body."""
        turn = _TURN * (cycle + self.phase)
        hip = self.lean + self.swing * (np.sin(turn) + 0.12 * np.sin(2 * turn))
        # The knee folds while the leg comes forward, and is nearly straight on the ground.
        knee = self.fold * (0.5 + 0.5 * np.cos(turn - 0.5)) ** 1.5
        above = body @ at(*self.root, hip)
        return [
            Placed(self.lower, above @ at(0, self.length, -np.sign(self.lean) * knee), self.light),
            Placed(self.upper, above, self.light),
        ]


class Gallop(_Filmed):
    """An animal that runs, always in the frame."""

    def __init__(self, ground: Pixels, coats: Sequence[Pixels], rng: np.random.Generator) -> None:
        super().__init__(ground, rng, 9.0, 17.0)
        self.stride = float(rng.uniform(9.0, 13.0))
        self.bob, self.flex = float(rng.uniform(5, 9)), float(rng.uniform(0.08, 0.18))
        self.wander = [float(value) for value in (*rng.uniform(0, _TURN, 2), rng.uniform(20, 40))]
        size = float(rng.uniform(1.15, 1.4))
        coat = _spotted(coats[0], rng)
        long, tall = 92 * size, float(rng.uniform(48, 60)) * size
        self.reach = long * 0.52
        part = _Cutter(coat, rng)
        self.rump = part.oval(long, tall, (long * 0.62, tall / 2))
        self.chest = part.oval(long, tall * 1.05, (long * 0.38, tall / 2))
        self.neck = part.limb(38 * size, 30 * size, 20 * size)
        self.head = part.oval(46 * size, 25 * size, (10 * size, 13 * size))
        self.tail = part.oval(92 * size, 11 * size, (3 * size, 5.5 * size))
        self.tail_wave = float(rng.uniform(10, 16)) * size, float(rng.uniform(0.5, 0.8))
        self.far, self.near = (self._legs(part, rng, size, tall, light) for light in (0.55, 1.0))
        shade = np.zeros((12, 140, 3), np.float32)
        self.shadow = film.masked(shade, _soft(140, 12) * np.float32(0.5), (70 / film.DENSITY, 6 / film.DENSITY))
        posts = [film.cut(coats[1], rng, width, 250) for width in rng.uniform(5, 11, 3)]
        self.posts = [
            (film.masked(post, np.ones(post.shape[:2], np.float32), (0, 0)), float(place))
            for post, place in zip(posts, np.arange(3) * 300 + rng.uniform(0, 200, 3), strict=True)
        ]
        self.side = float(np.sign(self.drift.pan))

    def _legs(
        self, part: _Cutter, rng: np.random.Generator, size: float, tall: float, light: float
    ) -> tuple[_Leg, _Leg]:
        """A hind and a fore leg of one side."""
        lag = 0.0 if light == 1.0 else float(rng.uniform(0.08, 0.16))
        legs = []
        for fore in (False, True):
            long = float(rng.uniform(36, 42)) * size
            upper, lower = part.limb(long, 24 * size, 13 * size), part.limb(long, 12 * size, 7 * size)
            root = (self.reach * (0.55 if fore else -0.6), tall * 0.2)
            phase = lag + (0.48 if fore else 0.0)
            swing, fold = float(rng.uniform(0.62, 0.85)), float(rng.uniform(1.0, 1.5))
            legs.append(_Leg(upper, lower, long, root, phase, swing, fold, 0.15 if fore else -0.15, light))
        return legs[0], legs[1]

    def placed(self, time: float) -> list[Placed]:
        """The animal, its shadow, and posts that pass before it."""
        cycle = time / self.stride
        turn = _TURN * cycle
        drift = 30 * np.sin(_TURN * time / self.wander[2] + self.wander[0])
        x, y = self.followed(240 + drift, 118 + self.bob * np.sin(turn + 0.8), time)
        body = at(x, y, 0.05 * np.sin(turn + 2.2), self.side, 1.0)
        bend = self.flex * np.sin(turn + 0.3)
        back, front = body @ at(-self.reach / 2, 0, -bend), body @ at(self.reach / 2, 0, bend)
        away = at(self.reach / 2, 0), at(-self.reach / 2, 0)
        found = [Placed(self.shadow, at(x, self.followed(0, 236, time)[1], 0, 1.0 + 0.1 * np.sin(turn)))]
        for leg, half, off in zip(self.far, (back, front), away, strict=True):
            found += leg.placed(half @ off, cycle)
        wag = (*self.tail_wave, 2 * turn)
        found.append(Placed(self.tail, back @ at(-self.reach * 0.75, -8, np.pi - 0.5 + 0.2 * np.sin(turn)), 0.9, wag))
        found += [Placed(self.rump, back), Placed(self.chest, front)]
        neck = front @ at(self.reach * 0.62, -10, -2.2 + 0.16 * np.sin(turn + 1.0))
        tip = neck @ at(0, self._neck_length(), 2.35 - 0.25 * np.sin(turn + 1.4))
        found += [Placed(self.neck, neck), Placed(self.head, tip)]
        for leg, half, off in zip(self.near, (back, front), away, strict=True):
            found += leg.placed(half @ off, cycle)
        passed = 1.6 * self.drift.travelled(time)
        for post, place in self.posts:
            # Comes in again on the far side, out of sight.
            right = (place - passed) % 900 - 200
            found.append(Placed(post, at(*self.followed(right, 30, time))))
        return found

    def _neck_length(self) -> float:
        return self.neck.pixels.shape[0] / film.DENSITY * 0.6


# Wheels -------------------------------------------------------------------------------------------------------------


class Wheels(_Filmed):
    """A vehicle on wheels with spokes, a propeller, gears."""

    def __init__(self, ground: Pixels, coats: Sequence[Pixels], rng: np.random.Generator) -> None:
        super().__init__(ground, rng, 8.0, 12.0)
        self.radius = float(rng.uniform(34, 42))
        self.phases = [float(value) for value in rng.uniform(0, _TURN, 6)]
        self.side = float(np.sign(self.drift.pan))
        long, tall = float(rng.uniform(210, 250)), float(rng.uniform(62, 80))
        hull = film.cut(coats[0], rng, long, tall)
        corner = float(rng.uniform(8, 24))
        self.hull = film.shaped(hull, _box(long, tall, corner), (long / 2, tall))
        roof_long, roof_tall = 0.55 * long, float(rng.uniform(30, 40))
        roof = film.cut(coats[1], rng, roof_long, roof_tall)
        self.roof = film.shaped(roof, _box(roof_long, roof_tall, 12), (roof_long / 2, roof_tall))
        self.tall, self.bounce = tall, float(rng.uniform(0.8, 2.0))
        self.axles = (-0.32 * long, 0.34 * long)
        self.spokes = int(rng.integers(4, 7))
        self.wheels = [_wheel(coats[index % 2], rng, self.radius, self.spokes) for index in range(2)]
        blades = int(rng.integers(2, 5))
        self.propeller = _propeller(coats[1], rng, float(rng.uniform(44, 58)), blades)
        self.spin = float(rng.uniform(0.28, 0.46) * rng.choice([-1, 1]))
        teeth = int(rng.integers(9, 13))
        self.gears = [_gear(coats[0], rng, float(rng.uniform(26, 36)), teeth) for _ in range(2)]
        self.gear_spin = float(rng.uniform(0.1, 0.2) * rng.choice([-1, 1]))

    def placed(self, time: float) -> list[Placed]:
        """Propeller and gears behind, the vehicle before them."""
        drift = 55 * np.sin(_TURN * time / 46 + self.phases[0])
        x, y = self.followed(240 + drift, 250 - self.radius, time)
        rolled = (self.drift.travelled(time) + drift) / self.radius
        spin = self.spin * (time - 6 * 0.25 * np.cos(time / 6 + self.phases[1]))
        mill = self.followed(240 + 130 * self.side, 66, time)
        found = [Placed(self.propeller, at(*mill, spin))]
        for index, gear in enumerate(self.gears):
            place = self.followed(240 - self.side * (150 - 64 * index), 52 + 14 * index, time)
            found.append(Placed(gear, at(*place, (1 - 2 * index) * self.gear_spin * time + self.phases[2 + index])))
        hop = self.bounce * np.sin(0.9 * time + self.phases[4])
        tilt = 0.012 * np.sin(0.6 * time + self.phases[5])
        body = at(x, y + hop, tilt)
        found += [Placed(self.roof, body @ at(0, 4 - self.tall)), Placed(self.hull, body @ at(0, 4))]
        for wheel, axle in zip(self.wheels, self.axles, strict=True):
            found.append(Placed(wheel, at(x + axle, y, rolled)))
        return found


# Wings --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Bird:
    """A bird seen from behind and above: two wings of two parts each."""

    body: Sprite
    inner: Sprite
    outer: Sprite
    span: float
    place: tuple[float, float]
    beat: float
    phase: float
    reach: float
    sway: tuple[float, float]

    def placed(self, x: float, y: float, time: float) -> list[Placed]:
        """Outer wings follow the inner ones; the body rises when they go down."""
        turn = _TURN * time / self.beat + self.phase
        first = self.reach * np.sin(turn) + 0.15
        second = 1.1 * self.reach * np.sin(turn - 0.9) + 0.1
        found = []
        middle = at(x, y - 5 * np.sin(turn + 0.4), 0.06 * np.sin(0.2 * time + self.phase))
        for side in (-1.0, 1.0):
            root = middle @ at(0, 0, 0, side)
            arm = root @ _hinged(first)
            found.append(Placed(self.outer, root @ at(*point(_hinged(first), self.span, 0)) @ _hinged(second)))
            found.append(Placed(self.inner, arm, 1.0 - 0.25 * float(np.sin(first))))
        return [*found, Placed(self.body, middle)]


class Wings(_Filmed):
    """Birds, flags and leaves."""

    def __init__(self, ground: Pixels, coats: Sequence[Pixels], rng: np.random.Generator) -> None:
        super().__init__(ground, rng, 3.0, 9.0)
        self.birds = [self._bird(coats[index % 2], rng, index) for index in range(2)]
        long, tall = float(rng.uniform(130, 160)), float(rng.uniform(70, 90))
        cloth = film.cut(coats[1], rng, long, tall)
        self.flag = film.masked(cloth, np.ones(cloth.shape[:2], np.float32), (0, tall / 2))
        self.flag_wave = float(rng.uniform(13, 19)), float(rng.uniform(1.1, 1.6)), float(rng.uniform(0.45, 0.75))
        pole = film.cut(coats[0], rng, 6, 260)
        self.pole = film.masked(pole, np.ones(pole.shape[:2], np.float32), (3, 20))
        self.side = float(rng.choice([-1, 1]))
        self.leaves = []
        for _ in range(7):
            leaf_long = float(rng.uniform(52, 84))
            leaf = film.cut(coats[0], rng, leaf_long, 0.36 * leaf_long)
            outline = film.oval(leaf_long, 0.36 * leaf_long)
            sprite = film.shaped(leaf, outline, (1.0, 0.18 * leaf_long))
            motion = tuple(float(value) for value in (*rng.uniform(0, _TURN, 2), *rng.uniform(9, 16, 1)))
            self.leaves.append((sprite, float(rng.uniform(-2.6, -0.5)), float(rng.uniform(0.25, 0.45)), motion))

    def _bird(self, coat: Pixels, rng: np.random.Generator, index: int) -> _Bird:
        span = float(rng.uniform(34, 46))
        chord = float(rng.uniform(26, 34))
        arm = np.array([[0, 2], [span, 0], [span, chord * 0.9], [0, chord]])
        inner = film.shaped(film.cut(coat, rng, span, chord), arm, (0, chord / 2))
        feathers = [[0, 0], [span * 0.7, chord * 0.2], [span * 1.15, chord * 0.6], [span * 0.6, chord * 0.9]]
        outline = np.array([*feathers, [0, chord * 0.9]])
        outer = film.shaped(film.cut(coat, rng, span * 1.15, chord), outline, (0, chord / 2))
        body = film.shaped(film.cut(coat, rng, 20, 54), film.oval(20, 54), (10, 24))
        place = (150.0 + 170 * index, float(rng.uniform(70, 110)) + 30 * index)
        beat, phase, reach = float(rng.uniform(6.5, 9.5)), float(rng.uniform(0, _TURN)), float(rng.uniform(0.7, 0.95))
        return _Bird(body, inner, outer, span, place, beat, phase, reach, (float(rng.uniform(28, 45)), 22.0))

    def placed(self, time: float) -> list[Placed]:
        """The flag behind, birds before it, leaves in front."""
        x, y = self.followed(240 + 200 * self.side, 40, time)
        amplitude, waves, speed = self.flag_wave
        cloth = at(x, y + 40, 0.04 * np.sin(0.13 * time), -self.side)
        found = [Placed(self.flag, cloth, 1.0, (amplitude, waves, speed * time)), Placed(self.pole, at(x, y))]
        for bird in self.birds:
            period, far = bird.sway
            turn = _TURN * time / period + bird.phase
            left, top = bird.place[0] + far * np.sin(turn), bird.place[1] + 0.6 * far * np.sin(0.7 * turn)
            found += bird.placed(*self.followed(left, top, time), time)
        for index, (leaf, lean, far, (first, second, period)) in enumerate(self.leaves):
            turn = _TURN * time / period + first
            angle = lean + far * (np.sin(turn) + 0.35 * np.sin(1.7 * turn + second))
            root = self.followed(70 + 62 * index, 276, time)
            found.append(Placed(leaf, at(*root, float(angle)), 1.0, (5.0, 0.6, turn)))
        return found


# Gravity ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Bouncing:
    """A thing that bounces for ever between two walls."""

    sprite: Sprite
    radius: float
    height: float
    phase: float
    speed: float
    start: float
    spin: float

    def placed(self, floor: float, gravity: float, time: float) -> tuple[float, float, float]:
        """x and y in the frame, and how far it is turned."""
        period = 2 * np.sqrt(2 * self.height / gravity)
        since = (time + self.phase) % period
        y = floor - self.radius - 0.5 * gravity * since * (period - since)
        wide = film.WIDTH - 2 * self.radius
        along = (self.start + self.speed * time) % (2 * wide)
        return self.radius + min(along, 2 * wide - along), float(y), self.spin * time


class Gravity(_Filmed):
    """Things that bounce, a pendulum, a spray of drops."""

    def __init__(self, ground: Pixels, coats: Sequence[Pixels], rng: np.random.Generator) -> None:
        super().__init__(ground, rng, 0.3, 1.2)
        self.gravity = float(rng.uniform(8.0, 13.0))
        self.bouncing = [self._thing(coats[index % 2], rng, index) for index in range(6)]
        self.rod = float(rng.uniform(120, 160))
        self.swing, self.phase = float(rng.uniform(0.6, 0.9)), float(rng.uniform(0, _TURN))
        rod, bob = film.cut(coats[0], rng, 5, self.rod), film.cut(coats[1], rng, 44, 44)
        self.pendulum = (
            film.masked(rod, np.ones(rod.shape[:2], np.float32), (2.5, 0)),
            film.shaped(bob, film.oval(44, 44), (22, 22)),
        )
        self.nozzle = float(rng.uniform(120, 360))
        shine = np.ones((24, 24, 3), np.float32) * np.asarray(rng.uniform(0.6, 0.95, 3), np.float32)
        self.drop = film.masked(shine, _soft(24, 24) * np.float32(0.9), (8, 8))
        self.drops = [
            (float(index) / 45, float(rng.normal(0, 4.0)), float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.2, 0.5)))
            for index in range(45)
        ]
        basin = film.cut(coats[0], rng, 120, 40)
        self.basin = film.shaped(basin, _box(120, 40, 10), (60, 14))

    def _thing(self, coat: Pixels, rng: np.random.Generator, index: int) -> _Bouncing:
        side = float(rng.uniform(30, 52))
        outline = film.oval(side, side) if index % 2 == 0 else _box(side, side, 4)
        sprite = film.shaped(film.cut(coat, rng, side, side), outline, (side / 2, side / 2))
        speed, spin = float(rng.uniform(4, 11)), float(rng.uniform(-0.16, 0.16))
        start = float(rng.uniform(0, 2 * film.WIDTH))
        return _Bouncing(sprite, side / 2, float(rng.uniform(90, 190)), float(rng.uniform(0, 30)), speed, start, spin)

    def placed(self, time: float) -> list[Placed]:
        """The pendulum behind, things before it, drops and their basin in front."""
        angle = self.swing * np.sin(time * np.sqrt(self.gravity / self.rod) + self.phase)
        top = at(*self.followed(240, -6, time), float(angle))
        found = [Placed(self.pendulum[0], top), Placed(self.pendulum[1], top @ at(0, self.rod))]
        for thing in self.bouncing:
            x, y, turned = thing.placed(262, self.gravity, time)
            found.append(Placed(thing.sprite, at(*self.followed(x, y, time), turned)))
        rise = np.sqrt(2 * 170 * self.gravity)
        life = 2 * rise / self.gravity
        for share, sideways, strength, size in self.drops:
            # Born and gone behind the basin.
            since = (time + share * life) % life
            up = strength * rise * since - 0.5 * self.gravity * since * since
            if up > -30:
                place = self.followed(self.nozzle + 0.6 * sideways * since, 256 - up, time)
                found.append(Placed(self.drop, at(*place, 0, size, size)))
        found.append(Placed(self.basin, at(*self.followed(self.nozzle, 246, time))))
        return found


KINDS: dict[str, Callable[[Pixels, Sequence[Pixels], np.random.Generator], Shot]] = {
    "gallop": Gallop,
    "wheels": Wheels,
    "wings": Wings,
    "gravity": Gravity,
}


# Parts --------------------------------------------------------------------------------------------------------------


class _Cutter:
    """Parts of one coat."""

    def __init__(self, coat: Pixels, rng: np.random.Generator) -> None:
        self.coat, self.rng = coat, rng

    def oval(self, width: float, height: float, pivot: tuple[float, float]) -> Sprite:
        """An ellipse."""
        return film.shaped(film.cut(self.coat, self.rng, width, height, 1.0), film.oval(width, height), pivot)

    def limb(self, length: float, top: float, foot: float) -> Sprite:
        """A limb that hangs from its top."""
        light = film.cut(self.coat, self.rng, top, length + top / 2 + foot / 2, 1.0)
        return film.shaped(light, film.limb(length, top, foot), (top / 2, top / 2))


def _spotted(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """A coat: a picture, even out, with spots, encoded."""
    side = 640
    fur = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    tint = np.asarray(rng.uniform(0.4, 0.8, 3), np.float32)
    coat = 0.55 * fur + 0.45 * tint
    dark = np.asarray(rng.uniform(0.02, 0.2, 3), np.float32)
    spots = np.zeros((side, side), np.uint8)
    for _ in range(900):
        x, y = (int(value) for value in rng.integers(0, side, 2))
        axes = (int(rng.integers(3, 8)), int(rng.integers(2, 6)))
        cv2.ellipse(spots, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    share = (spots.astype(np.float32) / 255 * 0.8)[:, :, None]
    return np.asarray(coat * (1 - share) + dark * share, np.float32)


def _hinged(angle: float) -> Matrix:
    """A wing raised by an angle, seen from behind and a little above."""
    return np.array([[np.cos(angle), 0.0, 0.0], [-0.8 * np.sin(angle), 0.9, 0.0], [0.0, 0.0, 1.0]])


def _soft(width: int, height: int) -> Pixels:
    """An ellipse that fades towards its edge."""
    rows, columns = np.mgrid[0:height, 0:width]
    away = np.square((columns + 0.5) / width * 2 - 1) + np.square((rows + 0.5) / height * 2 - 1)
    return np.asarray(np.clip(1.2 * (1 - away), 0, 1), np.float32)


def _box(width: float, height: float, corner: float) -> np.ndarray:
    """Outline of a rectangle with round corners."""
    quarter = np.linspace(0, np.pi / 2, 8)
    parts = []
    for index, (x, y) in enumerate(((width, height), (0, height), (0, 0), (width, 0))):
        angle = quarter + index * np.pi / 2
        inside = (corner if x == 0 else x - corner), (corner if y == 0 else y - corner)
        parts.append(np.stack([inside[0] + corner * np.cos(angle), inside[1] + corner * np.sin(angle)], axis=1))
    return np.concatenate(parts)


def _disc(radius: float) -> tuple[Pixels, Pixels]:
    """Distance from the middle in frame pixels and angle, for each pixel of a sprite that a wheel fills."""
    side = round(2 * radius * film.DENSITY)
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / film.DENSITY - radius
    return np.asarray(np.hypot(rows, columns), np.float32), np.asarray(np.arctan2(rows, columns), np.float32)


def _edge(inside: Pixels) -> Pixels:
    """Alpha of how far inside a pixel is, in frame pixels."""
    return np.clip(inside * np.float32(film.DENSITY) + np.float32(0.5), 0, 1)


def _wheel(coat: Pixels, rng: np.random.Generator, radius: float, spokes: int) -> Sprite:
    """Tyre, rim, spokes, hub; one can see through between the spokes."""
    away, angle = _disc(radius)
    light = film.cut(coat, rng, 2 * radius, 2 * radius)[: len(away), : len(away)]
    light = np.asarray(cv2.resize(light, away.shape[::-1]), np.float32)
    tyre = _edge(away - 0.82 * radius)
    light = light * (1 - 0.85 * tyre[:, :, None])
    thick = float(rng.uniform(4.5, 7.0))
    across = np.abs(np.sin((angle * spokes) / 2) * 2 / spokes) * away
    solid = np.maximum.reduce([_edge(away - 0.7 * radius), _edge(0.22 * radius - away), _edge(thick / 2 - across)])
    return film.masked(light, np.asarray(solid * _edge(radius - away), np.float32), (radius, radius))


def _propeller(coat: Pixels, rng: np.random.Generator, radius: float, blades: int) -> Sprite:
    """Blades that widen outwards, and a hub."""
    away, angle = _disc(radius)
    light = np.asarray(cv2.resize(film.cut(coat, rng, 2 * radius, 2 * radius), away.shape[::-1]), np.float32)
    # Distance from the middle line of the nearest blade.
    off = (angle * blades / _TURN + 0.5) % 1.0 - 0.5
    across = np.abs(np.sin(off * _TURN / blades)) * away
    front = np.cos(off * _TURN / blades) > 0
    blade = _edge(np.minimum(0.09 * radius + 0.1 * away, 0.17 * radius) - across) * front
    solid = np.maximum(blade, _edge(0.16 * radius - away)) * _edge(radius - away)
    return film.masked(light, np.asarray(solid, np.float32), (radius, radius))


def _gear(coat: Pixels, rng: np.random.Generator, radius: float, teeth: int) -> Sprite:
    """A cogwheel with holes."""
    away, angle = _disc(radius)
    light = np.asarray(cv2.resize(film.cut(coat, rng, 2 * radius, 2 * radius), away.shape[::-1]), np.float32)
    rim = radius * (0.9 + 0.1 * np.tanh(4 * np.sin(angle * teeth)))
    holes = int(rng.integers(3, 6))
    off = ((angle * holes / _TURN) % 1 - 0.5) * _TURN / holes
    hole = _edge(0.17 * radius - np.hypot(away - 0.52 * radius, np.sin(off) * away))
    return film.masked(light, np.asarray(_edge(rim - away) * (1 - hole), np.float32), (radius, radius))
