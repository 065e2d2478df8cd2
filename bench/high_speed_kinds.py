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

import high_speed_film as film
import numpy as np
from high_speed_film import Matrix, Pixels, Placed, Shot, Sprite, at, point
from high_speed_parts import Cutter, box, gear, hinged, propeller, soft, spotted, wheel

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
        coat = spotted(coats[0], rng)
        long, tall = 92 * size, float(rng.uniform(48, 60)) * size
        self.reach = long * 0.52
        part = Cutter(coat, rng)
        self.rump = part.oval(long, tall, (long * 0.62, tall / 2))
        self.chest = part.oval(long, tall * 1.05, (long * 0.38, tall / 2))
        self.neck = part.limb(38 * size, 30 * size, 20 * size)
        self.head = part.oval(46 * size, 25 * size, (10 * size, 13 * size))
        self.tail = part.oval(92 * size, 11 * size, (3 * size, 5.5 * size))
        self.tail_wave = float(rng.uniform(10, 16)) * size, float(rng.uniform(0.5, 0.8))
        self.far, self.near = (self._legs(part, rng, size, tall, light) for light in (0.55, 1.0))
        shade = np.zeros((12, 140, 3), np.float32)
        self.shadow = film.masked(shade, soft(140, 12) * np.float32(0.5), (70 / film.DENSITY, 6 / film.DENSITY))
        posts = [film.cut(coats[1], rng, width, 250) for width in rng.uniform(5, 11, 3)]
        self.posts = [
            (film.masked(post, np.ones(post.shape[:2], np.float32), (0, 0)), float(place))
            for post, place in zip(posts, np.arange(3) * 300 + rng.uniform(0, 200, 3), strict=True)
        ]
        self.side = float(np.sign(self.drift.pan))

    def _legs(
        self, part: Cutter, rng: np.random.Generator, size: float, tall: float, light: float
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
        self.hull = film.shaped(hull, box(long, tall, corner), (long / 2, tall))
        roof_long, roof_tall = 0.55 * long, float(rng.uniform(30, 40))
        roof = film.cut(coats[1], rng, roof_long, roof_tall)
        self.roof = film.shaped(roof, box(roof_long, roof_tall, 12), (roof_long / 2, roof_tall))
        self.tall, self.bounce = tall, float(rng.uniform(0.8, 2.0))
        self.axles = (-0.32 * long, 0.34 * long)
        self.spokes = int(rng.integers(4, 7))
        self.wheels = [wheel(coats[index % 2], rng, self.radius, self.spokes) for index in range(2)]
        blades = int(rng.integers(2, 5))
        self.propeller = propeller(coats[1], rng, float(rng.uniform(44, 58)), blades)
        self.spin = float(rng.uniform(0.28, 0.46) * rng.choice([-1, 1]))
        teeth = int(rng.integers(9, 13))
        self.gears = [gear(coats[0], rng, float(rng.uniform(26, 36)), teeth) for _ in range(2)]
        self.gear_spin = float(rng.uniform(0.1, 0.2) * rng.choice([-1, 1]))

    def placed(self, time: float) -> list[Placed]:
        """Propeller and gears behind, the vehicle before them."""
        drift = 55 * np.sin(_TURN * time / 46 + self.phases[0])
        x, y = self.followed(240 + drift, 250 - self.radius, time)
        rolled = (self.drift.travelled(time) + drift) / self.radius
        spin = self.spin * (time - 6 * 0.25 * np.cos(time / 6 + self.phases[1]))
        mill = self.followed(240 + 130 * self.side, 66, time)
        found = [Placed(self.propeller, at(*mill, spin))]
        for index, turning in enumerate(self.gears):
            place = self.followed(240 - self.side * (150 - 64 * index), 52 + 14 * index, time)
            found.append(Placed(turning, at(*place, (1 - 2 * index) * self.gear_spin * time + self.phases[2 + index])))
        hop = self.bounce * np.sin(0.9 * time + self.phases[4])
        tilt = 0.012 * np.sin(0.6 * time + self.phases[5])
        body = at(x, y + hop, tilt)
        found += [Placed(self.roof, body @ at(0, 4 - self.tall)), Placed(self.hull, body @ at(0, 4))]
        for rolling, axle in zip(self.wheels, self.axles, strict=True):
            found.append(Placed(rolling, at(x + axle, y, rolled)))
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
            arm = root @ hinged(first)
            found.append(Placed(self.outer, root @ at(*point(hinged(first), self.span, 0)) @ hinged(second)))
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
        self.drop = film.masked(shine, soft(24, 24) * np.float32(0.9), (8, 8))
        self.drops = [
            (float(index) / 45, float(rng.normal(0, 4.0)), float(rng.uniform(0.75, 1.0)), float(rng.uniform(0.2, 0.5)))
            for index in range(45)
        ]
        basin = film.cut(coats[0], rng, 120, 40)
        self.basin = film.shaped(basin, box(120, 40, 10), (60, 14))

    def _thing(self, coat: Pixels, rng: np.random.Generator, index: int) -> _Bouncing:
        side = float(rng.uniform(30, 52))
        outline = film.oval(side, side) if index % 2 == 0 else box(side, side, 4)
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
