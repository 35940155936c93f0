"""Questions about several pictures and about clips (groups.py)."""

from questions import Pair, article, noun, phrase, plural
from vocabulary import NUMBERS, ORDINALS

SAME_Q = [
    "Are the two pictures the same?",
    "Do both pictures show the same thing?",
    "Is it the same in both pictures?",
]
IN_Q = ["What is in the {} picture?", "What does the {} picture show?"]
SHOWS_Q = ["Which picture shows {}?", "In which picture is {}?"]
ODD_Q = ["Which picture is different?", "Which picture shows something else?"]
CHANGE_Q = ["What changed?", "What is different in the second picture?", "What has changed?"]
CLIP_Q = ["Describe the clip.", "What happens?", "Describe the video."]
AFTER_Q = ["What colour comes after {}?", "Which colour comes after {}?"]


def shown(thing):
    return f"the word {noun(thing)}" if thing.kind == "word" else phrase(thing)


def bare(thing):
    """ "red circle": without an article."""
    return f"{thing.colour} {noun(thing)}".strip()


def which_picture(rng, group):
    """One question about one of the pictures, one in the other direction."""
    things = [scene.things[0] for scene in group.scenes]
    number = rng.randrange(len(things))
    return [
        Pair("which picture", rng.choice(IN_Q).format(ORDINALS[number]), shown(things[number]))
    ]


def about_same(rng, group):
    pairs = [Pair("same", rng.choice(SAME_Q), "yes" if group.fact else "no")]
    return pairs + which_picture(rng, group)


def about_odd(rng, group):
    pairs = [Pair("same", rng.choice(ODD_Q), f"the {ORDINALS[group.fact]}")]
    return pairs + which_picture(rng, group)


def about_which(rng, group):
    number = rng.randrange(len(group.scenes))
    named = article(group.scenes[number].things[0])
    pairs = which_picture(rng, group)
    pairs.append(
        Pair("which picture", rng.choice(SHOWS_Q).format(named), f"the {ORDINALS[number]}")
    )
    everything = "; ".join(shown(scene.things[0]) for scene in group.scenes)
    pairs.append(Pair("which picture", "What do the pictures show?", everything))
    return pairs


def about_more(rng, group):
    first, second = group.fact
    what = plural(group.thing)
    larger = ORDINALS[0 if first > second else 1]
    smaller = ORDINALS[1 if first > second else 0]
    number = rng.randrange(2)
    pairs = [
        Pair("count", f"How many {what} are in the {ORDINALS[number]} picture?",
             NUMBERS[group.fact[number]]),
    ]
    if rng.random() < 0.6:
        question = rng.choice(["Which picture has more {}?", "Where are more {}?"])
        pairs.append(Pair("more", question.format(what), f"the {larger}"))
    else:
        question = rng.choice(["Which picture has fewer {}?", "Where are fewer {}?"])
        pairs.append(Pair("more", question.format(what), f"the {smaller}"))
    return pairs


def about_change(rng, group):
    thing = group.thing
    answer = {
        "colour": f"the {noun(thing)} is now {thing.colour}",
        "larger": f"the {noun(thing)} is larger",
        "smaller": f"the {noun(thing)} is smaller",
        "moved": f"the {noun(thing)} has moved",
        "added": f"the {bare(thing)} is new",
        "gone": f"the {bare(thing)} is gone",
    }[group.fact]
    return [Pair("change", rng.choice(CHANGE_Q), answer)]


def about_motion(rng, group):
    thing = group.thing
    asked = rng.choice(["Which way does it move?", f"Which way does the {noun(thing)} move?",
                        "In which direction does it move?"])
    return [
        Pair("motion", rng.choice(["What moves?", "What is moving?"]), f"the {bare(thing)}"),
        Pair("direction", asked, group.fact),
        Pair("clip", rng.choice(CLIP_Q), f"{phrase(thing)} moves {group.fact}"),
    ]


def about_growth(rng, group):
    thing = group.thing
    asked = rng.choice(["Does it grow or shrink?", f"Does the {noun(thing)} grow or shrink?"])
    return [
        Pair("direction", asked, f"it {group.fact}"),
        Pair("clip", rng.choice(CLIP_Q), f"{phrase(thing)} {group.fact}"),
    ]


def listed(names):
    return ", then ".join(names)


def about_order(rng, group):
    names, thing = group.fact, group.thing
    k = rng.randrange(len(names) - 1)
    pairs = [
        Pair("order", rng.choice(AFTER_Q).format(names[k]), names[k + 1]),
        Pair("clip", rng.choice(CLIP_Q), f"the {noun(thing)} is {listed(names)}"),
    ]
    end = rng.choice(["first", "last"])
    pairs.append(
        Pair("order", f"What colour comes {end}?", names[0 if end == "first" else -1])
    )
    return pairs


def about_parade(rng, group):
    things = group.fact
    k = rng.randrange(len(things) - 1)
    end = rng.choice(["first", "last"])
    return [
        Pair("order", f"What comes after the {noun(things[k])}?", shown(things[k + 1])),
        Pair("order", f"What comes {end}?", shown(things[0 if end == "first" else -1])),
        Pair("clip", rng.choice(CLIP_Q), listed(map(shown, things))),
    ]


ABOUT = {
    "same": about_same,
    "odd": about_odd,
    "which": about_which,
    "more": about_more,
    "change": about_change,
    "motion": about_motion,
    "growth": about_growth,
    "order": about_order,
    "parade": about_parade,
}
