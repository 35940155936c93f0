"""Several pictures that belong together: two or three to compare, or the frames of a clip."""

import copy
from dataclasses import dataclass

from scenes import (
    contrasting_colour,
    new_scene,
    new_thing,
    place,
    place_apart,
    single_scene,
)

FRAMES = (3, 4, 5)  # of a clip
DIRECTIONS = {"to the left": (-1, 0), "to the right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass
class Group:
    kind: str
    scenes: list
    thing: object = None  # what the questions are about: what changed, moves or is counted
    fact: object = None  # what happens to it
    clip: bool = False


def identity(thing):
    return (thing.kind, thing.index, thing.colour)


def with_thing(rng, split, thing):
    """A new picture of the same thing, elsewhere and on another background."""
    own = copy.copy(thing)

    def fill(rng, scene):
        if own.colour:
            lowest = min(
                sum((a - b) ** 2 for a, b in zip(own.rgb, ground)) ** 0.5
                for ground in (scene.background.first, scene.background.second)
            )
            if lowest < 120:
                return False
        own.angle = rng.uniform(-14, 14)
        place(rng, scene, own, min(scene.width, scene.height) * rng.uniform(0.4, 0.9))
        scene.things = [own]
        return True

    return new_scene(rng, split, thing.kind, fill)


def same(rng, split):
    """Two pictures of one thing each: the same, or not."""
    first = single_scene(rng, split, rng.choice(["emoji", "emoji", "shape"]))
    thing = first.things[0]
    if rng.random() < 0.5:
        return Group("same", [first, with_thing(rng, split, thing)], fact=True)
    while True:
        second = single_scene(rng, split, thing.kind)
        if identity(second.things[0]) != identity(thing):
            return Group("same", [first, second], fact=False)


def odd(rng, split):
    """Three pictures of one thing each, one of them different; fact: its number."""
    thing = single_scene(rng, split, rng.choice(["emoji", "shape"])).things[0]
    number = rng.randrange(3)
    scenes = []
    for k in range(3):
        other = with_thing(rng, split, thing)
        while k == number and identity(other.things[0]) == identity(thing):
            other = single_scene(rng, split, thing.kind)
        scenes.append(other)
    return Group("odd", scenes, thing, number)


def which(rng, split):
    """Two or three pictures of different things."""
    scenes, count = [], rng.choice([2, 3])
    while len(scenes) < count:
        scene = single_scene(rng, split, rng.choice(["emoji", "emoji", "shape", "word"]))
        if all(identity(scene.things[0])[:2] != identity(s.things[0])[:2] for s in scenes):
            scenes.append(scene)
    return Group("which", scenes)


def copies(rng, scene, proto, number):
    scene.things = [copy.copy(proto) for _ in range(number)]
    for thing in scene.things:
        thing.angle = rng.uniform(-14, 14)
    base = min(scene.width, scene.height) * rng.uniform(0.2, 0.3)
    return place_apart(rng, scene, scene.things, [base] * number)


def more(rng, split):
    """Two pictures with different numbers of one thing; fact: the numbers."""
    numbers = rng.sample(range(1, 7), 2)
    protos = []

    def fill(number):
        def inner(rng, scene):
            if not protos:
                protos.append(new_thing(rng, scene, rng.choice(["shape", "emoji"])))
            if protos[0] is None:
                protos.clear()
                return False
            if protos[0].kind == "shape":
                found = contrasting_colour(rng, scene.background)
                if found is None:
                    return False
                protos[0].colour, protos[0].rgb = found
            return copies(rng, scene, protos[0], number)

        return inner

    scenes = [new_scene(rng, split, "count", fill(n)) for n in numbers]
    return Group("more", scenes, protos[0], numbers)


def two_things(rng, scene):
    """One or two things, apart, with room around them."""
    things = [new_thing(rng, scene, rng.choice(["shape", "shape", "emoji"]))]
    if rng.random() < 0.6:
        things.append(new_thing(rng, scene, rng.choice(["shape", "emoji"]), ()))
    if None in things or len({identity(t)[:2] for t in things}) < len(things):
        return False
    scene.things = things
    short = min(scene.width, scene.height)
    return place_apart(rng, scene, things, [short * rng.uniform(0.28, 0.4) for _ in things])


def recoloured(rng, scene, thing):
    found = contrasting_colour(rng, scene.background, (thing.colour,))
    if found is None:
        return False
    thing.colour, thing.rgb = found
    return True


def change(rng, split):
    """A picture, and the same one with one change: colour, size, something new or gone."""
    while True:
        before = new_scene(rng, split, "change", two_things)
        after = copy.deepcopy(before)
        thing = after.things[0]
        fact = rng.choice(["colour", "larger", "smaller", "added", "gone", "moved"])
        if fact == "colour":
            if thing.kind != "shape" or not recoloured(rng, after, thing):
                continue
        elif fact in ("larger", "smaller"):
            thing.size *= 1.7 if fact == "larger" else 0.55
            half = thing.size * 0.56
            thing.x = min(max(thing.x, half), after.width - half)
            thing.y = min(max(thing.y, half), after.height - half)
            if any(abs(thing.x - o.x) + abs(thing.y - o.y) < thing.size for o in after.things[1:]):
                continue
        elif fact == "moved":
            x, y = thing.x, thing.y
            backwards = after.things[::-1]
            if not place_apart(rng, after, backwards, [t.size for t in backwards]):
                continue
            for now, then in zip(after.things[1:], before.things[1:]):
                now.x, now.y = then.x, then.y
            if abs(thing.x - x) < 0.3 * after.width and abs(thing.y - y) < 0.3 * after.height:
                continue
            if any(abs(thing.x - o.x) + abs(thing.y - o.y) < thing.size for o in after.things[1:]):
                continue
        else:
            if len(before.things) < 2:
                continue
            (before if fact == "added" else after).things.pop(0)
        return Group("change", [before, after], thing, fact)


def frames_of(scene, count):
    """The same picture several times: one background, one noise."""
    return [copy.deepcopy(scene) for _ in range(count)]


def motion(rng, split):
    """One thing moves straight on, another may stay."""
    fact = rng.choice(list(DIRECTIONS))
    dx, dy = DIRECTIONS[fact]

    def fill(rng, scene):
        if not two_things(rng, scene):
            return False
        thing = scene.things[0]
        half = thing.size * 0.5
        reach = (scene.width if dx else scene.height) - 2 * half
        if reach < thing.size:
            return False
        for other in scene.things[1:]:  # not in the way
            if abs((other.y - thing.y) if dx else (other.x - thing.x)) < 0.5 * (
                thing.size + other.size
            ):
                return False
        return True

    scene = new_scene(rng, split, "motion", fill)
    frames = frames_of(scene, rng.choice(FRAMES))
    thing = scene.things[0]
    half, span = thing.size * 0.5, scene.width if dx else scene.height
    begin, end = half + rng.uniform(0, 0.12) * span, span - half - rng.uniform(0, 0.12) * span
    for k, frame in enumerate(frames):
        at = begin + (end - begin) * k / (len(frames) - 1)
        at = at if dx + dy > 0 else span - at
        if dx:
            frame.things[0].x = at
        else:
            frame.things[0].y = at
    return Group("motion", frames, thing, fact, True)


def growth(rng, split):
    """One thing grows or shrinks."""
    scene = single_scene(rng, split, rng.choice(["shape", "emoji"]))
    frames = frames_of(scene, rng.choice(FRAMES))
    fact = rng.choice(["grows", "shrinks"])
    short = min(scene.width, scene.height)
    for k, frame in enumerate(frames):
        at = k if fact == "grows" else len(frames) - 1 - k
        frame.things[0].size = short * (0.25 + 0.6 * at / (len(frames) - 1))
        frame.things[0].x, frame.things[0].y = scene.width / 2, scene.height / 2
    return Group("growth", frames, scene.things[0], fact, True)


def order(rng, split):
    """A shape that takes one colour after the other; fact: their names."""
    while True:
        scene = single_scene(rng, split, "shape")
        scene.things[0].size = max(
            scene.things[0].size, 0.45 * min(scene.width, scene.height)
        )
        place(rng, scene, scene.things[0], scene.things[0].size)
        frames = frames_of(scene, rng.choice(FRAMES))
        names = []
        for frame in frames:
            found = contrasting_colour(rng, frame.background, names)
            if found is None:
                break
            frame.things[0].colour, frame.things[0].rgb = found
            names.append(found[0])
        if len(names) == len(frames):
            return Group("order", frames, scene.things[0], names, True)


def parade(rng, split):
    """One thing after the other, each alone; fact: the things."""
    scene = single_scene(rng, split, "emoji")
    frames, things = frames_of(scene, rng.choice(FRAMES)), []
    for frame in frames:
        used = [t.index for t in things if t.kind == "emoji"]
        thing = new_thing(rng, frame, "emoji", used)
        if rng.random() < 0.3:
            thing = new_thing(rng, frame, "shape", [t.index for t in things]) or thing
        place(rng, frame, thing, min(frame.width, frame.height) * rng.uniform(0.45, 0.9))
        frame.things = [thing]
        things.append(thing)
    return Group("parade", frames, None, things, True)


MAKE = {
    "same": same,
    "odd": odd,
    "which": which,
    "more": more,
    "change": change,
    "motion": motion,
    "growth": growth,
    "order": order,
    "parade": parade,
}
