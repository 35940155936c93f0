"""Questions and answers about a Scene. Answers are short, lower case and follow from the
description alone.
"""

from dataclasses import dataclass

from vocabulary import EMOJI_NAMES, NUMBERS, POSITIONS, SHAPE_PLURALS, SHAPES, WORDS

WHAT = [
    "What is this?",
    "What is in the picture?",
    "What do you see?",
    "What is shown here?",
    "What can you see in this image?",
    "What is in this image?",
]
DESCRIBE = ["Describe the picture.", "Describe this image.", "Describe what you see."]
SHAPE_Q = ["What shape is this?", "Which shape is it?", "What shape is in the picture?"]
COLOUR_Q = [
    "What colour is the {}?",
    "Which colour does the {} have?",
    "What is the colour of the {}?",
]
GROUND_Q = ["What colour is the background?", "Which colour is the background?"]
COUNT_Q = [
    "How many {} are there?",
    "How many {} do you see?",
    "Count the {}.",
    "How many {} are in the picture?",
]
WHERE_Q = ["Where is the {}?", "In which part of the picture is the {}?"]
WORD_Q = [
    "What word is written?",
    "Which word do you see?",
    "Read the text.",
    "What does it say?",
    "What is written here?",
    "What does the text say?",
]
IS_Q = ["Is this {}?", "Is there {} in the picture?", "Do you see {}?", "Is there {}?"]
LARGER_Q = ["Which is larger, the {} or the {}?", "What is bigger, the {} or the {}?"]
SMALLER_Q = ["Which is smaller, the {} or the {}?"]

SELF_Q = ["Who are you?", "What is your name?", "What are you?"]
SELF_A = "ocelli-tiny, a small demonstration model"
NO_ARTICLE = {"grapes", "cherries", "bread", "popcorn", "french fries", "eyeglasses", "fire"}

# Of the first edition.
FIRST_TYPES = [
    "emoji",
    "shape",
    "colour",
    "background",
    "count",
    "position",
    "relation",
    "size",
    "word",
    "yes/no",
    "describe",
    "self",
]
TYPES = FIRST_TYPES + [
    "number",
    "cells",
    "lines",
    "chart",
    "value",
    "receipt",
    "price",
    "total",
    "same",
    "which picture",
    "more",
    "change",
    "motion",
    "direction",
    "order",
    "clip",
]


@dataclass
class Pair:
    type: str
    question: str
    answer: str


def noun(thing):
    if thing.kind == "number":
        return str(thing.index)
    return {"emoji": EMOJI_NAMES, "shape": SHAPES, "word": WORDS}[thing.kind][thing.index]


def phrase(thing):
    """ "a red circle" for shapes, the bare Unicode name for emoji."""
    if thing.kind == "shape":
        return f"{'an' if thing.colour == 'orange' else 'a'} {thing.colour} {noun(thing)}"
    return noun(thing)


def article(thing):
    """The thing as a question names it: "a circle", "a dog face", "the word apple"."""
    name = noun(thing)
    if thing.kind in ("word", "number"):
        return f"the {thing.kind} {name}"
    if name in NO_ARTICLE:
        return name
    return f"{'an' if name[0] in 'aeiou' and not name.startswith(('uni', 'eur')) else 'a'} {name}"


def plural(thing):
    return SHAPE_PLURALS[noun(thing)] if thing.kind == "shape" else f"{noun(thing)} emoji"


def position(scene, thing):
    """One of nine names, or None when the centre lies too near a border between two."""
    cell = []
    for value in (thing.y / scene.height, thing.x / scene.width):
        if min(abs(value - 1 / 3), abs(value - 2 / 3)) < 0.05:
            return None
        cell.append(min(int(value * 3), 2))
    return POSITIONS[cell[0]][cell[1]]


def relation(a, b):
    """How a lies to b."""
    if abs(a.x - b.x) > abs(a.y - b.y):
        return "left of" if a.x < b.x else "right of"
    return "above" if a.y < b.y else "below"


def wrong_thing(rng, thing):
    """The same thing with another identity, for a question whose answer is no."""
    table = {"emoji": EMOJI_NAMES, "shape": SHAPES, "word": WORDS}[thing.kind]
    other = type(thing)(**vars(thing))
    while other.index == thing.index:
        other.index = rng.randrange(len(table))
    return other


def yes_no(rng, thing):
    yes = rng.random() < 0.5
    return Pair(
        "yes/no",
        rng.choice(IS_Q).format(article(thing if yes else wrong_thing(rng, thing))),
        "yes" if yes else "no",
    )


def background_pair(rng, scene):
    return Pair("background", rng.choice(GROUND_Q), scene.background.colour)


def about_single(rng, scene):
    thing = scene.things[0]
    pairs = [
        Pair(thing.kind, rng.choice(WHAT), phrase(thing)),
        Pair("describe", rng.choice(DESCRIBE), phrase(thing)),
        yes_no(rng, thing),
    ]
    if thing.kind == "shape":
        pairs += [
            Pair("shape", rng.choice(SHAPE_Q), noun(thing)),
            Pair(
                "colour",
                rng.choice(COLOUR_Q).format(rng.choice([noun(thing), "shape"])),
                thing.colour,
            ),
        ]
    where = position(scene, thing)
    if where and thing.size < 0.55 * min(scene.width, scene.height):
        pairs.append(Pair("position", rng.choice(WHERE_Q).format(noun(thing)), where))
    return pairs


def about_count(rng, scene):
    first = scene.things[0]
    same = [t for t in scene.things if t.index == first.index]
    others = [t for t in scene.things if t.index != first.index]
    number = len(same)
    pairs = [Pair("count", rng.choice(COUNT_Q).format(plural(first)), NUMBERS[number])]
    if first.kind == "shape":
        template = rng.choice(["What colour {} the {}?", "Which colour {} the {}?"])
        question = template.format(*(("are", plural(first)) if number > 1 else ("is", noun(first))))
        pairs.append(Pair("colour", question, first.colour))
    if not others:
        pairs.append(Pair("count", "How many objects are there?", NUMBERS[number]))
        kind = f"{first.colour} " if first.colour else ""
        named = phrase(first) if number == 1 else f"{NUMBERS[number]} {kind}{plural(first)}"
        pairs.append(Pair("describe", rng.choice(DESCRIBE), named))
        if number == 1:
            pairs.append(Pair(first.kind, rng.choice(WHAT), named))
    else:
        other = others[0]
        pairs.append(
            Pair(
                "count",
                rng.choice(COUNT_Q).format(plural(other)),
                NUMBERS[sum(t.index == other.index for t in others)],
            )
        )
    yes = rng.random() < 0.5
    guess = number if yes else rng.choice([n for n in range(1, 7) if n != number])
    named = plural(first) if guess > 1 else noun(first)
    pairs.append(
        Pair(
            "yes/no",
            f"Are there {NUMBERS[guess]} {named}?" if guess > 1 else f"Is there only one {named}?",
            "yes" if yes else "no",
        )
    )
    return pairs


def about_relation(rng, scene):
    a, b = scene.things
    rel = relation(a, b)
    side = {
        "left of": "on the left",
        "right of": "on the right",
        "above": "at the top",
        "below": "at the bottom",
    }
    pairs = [
        Pair("relation", f"What is {rel} the {noun(b)}?", phrase(a)),
        Pair("relation", f"What is {side[rel]}?", phrase(a)),
        Pair("relation", f"Where is the {noun(a)}, seen from the {noun(b)}?", rel),
        Pair("describe", rng.choice(DESCRIBE), f"{phrase(a)} {rel} {phrase(b)}"),
    ]
    yes = rng.random() < 0.5
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    pairs.append(
        Pair(
            "yes/no",
            f"Is the {noun(a)} {rel if yes else opposite[rel]} the {noun(b)}?",
            "yes" if yes else "no",
        )
    )
    larger, smaller = (a, b) if a.size > b.size else (b, a)
    names = rng.sample([noun(a), noun(b)], 2)
    if rng.random() < 0.6:
        pairs.append(Pair("size", rng.choice(LARGER_Q).format(*names), f"the {noun(larger)}"))
    else:
        pairs.append(Pair("size", rng.choice(SMALLER_Q).format(*names), f"the {noun(smaller)}"))
    for thing in (a, b):
        if thing.kind == "shape":
            pairs.append(Pair("colour", rng.choice(COLOUR_Q).format(noun(thing)), thing.colour))
    probe = rng.choice([a, b])
    other = wrong_thing(rng, probe)
    if (other.kind, other.index) not in [(t.kind, t.index) for t in (a, b)] and rng.random() < 0.5:
        pairs.append(Pair("yes/no", rng.choice(IS_Q[1:]).format(article(other)), "no"))
    else:
        pairs.append(Pair("yes/no", rng.choice(IS_Q[1:]).format(article(probe)), "yes"))
    return pairs


def about_word(rng, scene):
    word = scene.things[0]
    pairs = [
        Pair("word", rng.choice(WORD_Q), noun(word)),
        Pair("describe", rng.choice(DESCRIBE + WHAT), f"the word {noun(word)}"),
        Pair("colour", rng.choice(COLOUR_Q).format(rng.choice(["word", "text"])), word.colour),
    ]
    yes = rng.random() < 0.5
    shown = noun(word if yes else wrong_thing(rng, word))
    pairs.append(
        Pair(
            "yes/no",
            rng.choice(["Is the word {} written here?", "Does it say {}?"]).format(shown),
            "yes" if yes else "no",
        )
    )
    return pairs


NUMBER_Q = [
    "What number is written?",
    "Which number do you see?",
    "Read the number.",
    "What number is this?",
]


def about_number(rng, scene):
    number = scene.things[0]
    return [
        Pair("number", rng.choice(NUMBER_Q), noun(number)),
        Pair("number", rng.choice(WORD_Q), noun(number)),
        Pair("describe", rng.choice(DESCRIBE + WHAT), f"the number {noun(number)}"),
        Pair("colour", rng.choice(COLOUR_Q).format("number"), number.colour),
    ]


ABOUT = {
    "number": about_number,
    "emoji": about_single,
    "shape": about_single,
    "count": about_count,
    "relation": about_relation,
    "word": about_word,
}


def american(rng, question):
    """Half of the questions spell "color"."""
    return question.replace("colour", "color") if rng.random() < 0.5 else question


def careless(rng, question):
    """Some people type without capitals or the final mark."""
    if rng.random() < 0.15:
        question = question[0].lower() + question[1:]
    if rng.random() < 0.15:
        question = question.rstrip("?.")
    return question


def ask(scene, rng):
    """All pairs this scene offers, in random order. Deterministic given the scene and its
    generator.
    """
    pairs = ABOUT[scene.kind](rng, scene)
    if scene.background.style == "plain":
        pairs.append(background_pair(rng, scene))
    if rng.random() < 0.04:
        pairs.append(Pair("self", rng.choice(SELF_Q), SELF_A))
    for pair in pairs:
        pair.question = careless(rng, american(rng, pair.question))
    rng.shuffle(pairs)
    return pairs
