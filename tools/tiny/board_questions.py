"""Questions about grids, lines of text, charts and receipts (boards.py)."""

from questions import COUNT_Q, DESCRIBE, NUMBERS, WHAT, Pair, noun

CELLS_Q = ["What is in each cell?", "List everything.", "Describe each cell."]
CELL_Q = ["What is in row {}, column {}?", "What is in column {1} of row {0}?"]
LINES_Q = ["Read every line.", "What is written, line by line?", "Read all the text."]
LINE_Q = ["What is written in line {}?", "Read line {}."]
HIGHEST_Q = ["Which bar is the {}?", "What is the {} bar?", "What colour is the {} bar?"]
VALUE_Q = ["What value has the {} bar?", "How much is the {} bar?", "What is the value of {}?"]
SLICE_Q = ["Which slice is the {}?", "What is the {} slice?", "What colour is the {} slice?"]
TOTAL_Q = ["What is the total?", "How much is the total?", "What does it cost in all?"]
PRICE_Q = ["What is the price of the {}?", "How much is the {}?", "What does the {} cost?"]
DEAREST_Q = ["Which item costs the most?", "What is the most expensive item?"]
CHEAPEST_Q = ["Which item costs the least?", "What is the cheapest item?"]


def by_rows(rows):
    """ "a, b; c, d": how grids and lines are read out."""
    return "; ".join(", ".join(cell for cell in row) for row in rows)


def about_grid(rng, scene):
    """Questions about single cells first, then everything: who has said everything need not look
    again.
    """
    name = lambda t: "nothing" if t is None else f"{t.colour} {noun(t)}".strip()
    pairs, seen = [], set()
    for _ in range(rng.choice([0, 0, 1, 2])):
        row = rng.randrange(len(scene.cells))
        column = rng.randrange(len(scene.cells[0]))
        if (row, column) not in seen and len(scene.things) > 1:
            seen.add((row, column))
            question = rng.choice(CELL_Q).format(row + 1, column + 1)
            pairs.append(Pair("cells", question, name(scene.cells[row][column])))
    everything = by_rows([[name(t) for t in row] for row in scene.cells])
    pairs.append(Pair("cells", rng.choice(CELLS_Q), everything))
    return pairs


def about_lines(rng, scene):
    pairs = []
    read = [[noun(t) for t in row] for row in scene.cells]
    if len(read) > 1 and rng.random() < 0.4:
        row = rng.randrange(len(read))
        question = rng.choice(LINE_Q).format(row + 1)
        pairs.append(Pair("lines", question, ", ".join(read[row])))
    pairs.append(Pair("lines", rng.choice(LINES_Q), by_rows(read)))
    return pairs


def yes_or_no(rng, question_of):
    """question_of(yes) makes a question whose answer is that."""
    yes = rng.random() < 0.5
    return Pair("yes/no", question_of(yes), "yes" if yes else "no")


def about_bars(rng, scene):
    ordered = sorted(scene.cells, key=lambda part: part[2])
    count = len(ordered)
    some = rng.choice(ordered)
    high, low = rng.sample(ordered, 2)
    high, low = (high, low) if high[2] > low[2] else (low, high)
    longest, shortest = (
        ("highest", "lowest") if scene.kind == "bars" else ("longest", "shortest")
    )
    pairs = [
        Pair("chart", rng.choice(HIGHEST_Q).format(longest), ordered[-1][0]),
        Pair("chart", rng.choice(HIGHEST_Q).format(shortest), ordered[0][0]),
        Pair("value", rng.choice(VALUE_Q).format(some[0]), str(some[2])),
        Pair("value", f"What is the {rng.choice(['highest', 'largest'])} value?",
             str(ordered[-1][2])),
        Pair("count", rng.choice(COUNT_Q).format("bars"), NUMBERS[count]),
        Pair("describe", rng.choice(DESCRIBE + WHAT), f"a bar chart with {NUMBERS[count]} bars"),
        yes_or_no(rng, lambda yes: "Is the {} bar {} than the {} bar?".format(
            (high if yes else low)[0], longest.replace("est", "er"), (low if yes else high)[0])),
    ]
    if rng.random() < 0.7:
        values = ", ".join(f"{name} {value}" for name, _, value in scene.cells)
        pairs.append(Pair("value", "List the bars with their values.", values))
    return pairs


def about_pie(rng, scene):
    ordered = sorted(scene.cells, key=lambda part: part[2])
    high, low = rng.sample(ordered, 2)
    high, low = (high, low) if high[2] > low[2] else (low, high)
    count = NUMBERS[len(ordered)]
    return [
        Pair("chart", rng.choice(SLICE_Q).format("largest"), ordered[-1][0]),
        Pair("chart", rng.choice(SLICE_Q).format("smallest"), ordered[0][0]),
        Pair("count", rng.choice(COUNT_Q).format("slices"), count),
        Pair("describe", rng.choice(DESCRIBE + WHAT), f"a pie chart with {count} slices"),
        yes_or_no(rng, lambda yes: "Is the {} slice larger than the {} slice?".format(
            (high if yes else low)[0], (low if yes else high)[0])),
    ]


def about_receipt(rng, scene):
    *goods, (_, total) = scene.cells
    some = rng.choice(goods)
    others = [name for name in ("tea", "milk", "bread", "rice", "soap", "cheese")
              if name not in [g for g, _ in goods]]
    pairs = [
        Pair("total", rng.choice(TOTAL_Q), str(total)),
        Pair("price", rng.choice(PRICE_Q).format(some[0]), str(some[1])),
        Pair("count", rng.choice(COUNT_Q).format("items"), NUMBERS[len(goods)]),
        Pair("describe", rng.choice(DESCRIBE + WHAT), "a receipt"),
        yes_or_no(rng, lambda yes: "Is there {} on the receipt?".format(
            some[0] if yes else rng.choice(others))),
    ]
    ordered = sorted(goods, key=lambda item: item[1])
    if len(ordered) > 1 and ordered[-1][1] > ordered[-2][1]:
        pairs.append(Pair("receipt", rng.choice(DEAREST_Q), ordered[-1][0]))
    if len(ordered) > 1 and ordered[0][1] < ordered[1][1]:
        pairs.append(Pair("receipt", rng.choice(CHEAPEST_Q), ordered[0][0]))
    if rng.random() < 0.7:
        listed = ", ".join(f"{name} {price}" for name, price in scene.cells)
        pairs.append(Pair("receipt", "Read the receipt.", listed))
    return pairs


ABOUT = {
    "grid": about_grid,
    "lines": about_lines,
    "bars": about_bars,
    "rows": about_bars,
    "pie": about_pie,
    "receipt": about_receipt,
}
