"""Writes tests/fixtures/masks/cases.json: which tokens of a conversation are trained.

Found here in another way than the program does: an answer begins where the conversation before it, rendered by
transformers with a generation prompt, ends; it ends with its last end-of-turn token; the recipe of SmolVLM2 looks for
the tokens of "System:" and "User:" as its authors do. The expectations are few and were read through one by one: each
has the trained texts beside the positions.

    python tools/reference/make_masks.py [FOLDER OF REAL MODELS]

With the folder, positions for the real templates and tokenizers are written too (positions and our own texts only,
nothing of the files); without it, those that are there are kept.
"""

import datetime
import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

from tokenizers import Tokenizer
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

ROOT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures"
OUT = ROOT / "masks" / "cases.json"
NOW = 1767355200  # 2 January 2026, noon


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW)


chat_template_utils.datetime = Clock
EOU, IMEND = "<end_of_utterance>", "<|im_end|>"


def said(role, *parts, **more):
    content = [{"type": "image"} if p is None else {"type": "text", "text": p} for p in parts]
    return {"role": role, "content": content, **more}


PICTURES = [
    said("system", "Look closely."),
    said("user", None, None, "Which one is red?"),
    said("assistant", " The first one, I think.\n"),
    said("user", "And this? ", None, " Is it red too?"),
    said("assistant", "No."),
]
TURNS = [
    said("user", "Hello there"),
    said("assistant", "\nHello!\n\nWhat now?"),
    said("user", "Count to three."),
    said("assistant", "1, 2, 3"),
]
TOOLS = [
    said("system", "Be short."),
    said("user", "How warm is it in Oslo?"),
    said("assistant", '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'),
    said("tool", '{"celsius": 4}'),
    said("assistant", "It has 4 degrees."),
]
THOUGHT = [
    said("user", "Is 7 prime?"),
    said("assistant", "<think>\nOnly 1 and 7 divide it.\n</think>\nYes."),
    said("user", "And 9?"),
    said("assistant", "<think>\n3 times 3.\n</think>\nNo."),
]
WEATHER = [{"type": "function", "function": {"name": "weather", "description": "The weather of a place.", "parameters":
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]  # fmt: skip
GRIDS = [[0, 0], [2, 2], [1, 2]]  # rows and columns of the pictures' tiles; 0 x 0: not cut


def case(name, messages, mask="assistant", **more):
    return {"name": name, "messages": messages, "mask": mask, "grids": [], "arguments": {}, "prompt_messages": 0,
            "max_length": 0, "truncation": "keep_start", **more}  # fmt: skip


SMOLVLM = [
    case("turns", TURNS),
    case("turns, the last", TURNS, "last"),
    case("turns, recipe", TURNS, "smolvlm2-official"),
    case("turns, all", TURNS, "all"),
    case("pictures", PICTURES, grids=GRIDS),
    case("pictures, completion", PICTURES, "completion", grids=GRIDS, prompt_messages=4),
    case("pictures, recipe", PICTURES, "smolvlm2-official", grids=GRIDS),
    case("pictures, all", PICTURES, "all", grids=GRIDS),
    case("pictures, notebook", PICTURES, "hf-notebook", grids=GRIDS),
    case("pictures, TRL", PICTURES, "trl-default", grids=GRIDS, prompt_messages=2),
    case("cut within the third picture", PICTURES, grids=GRIDS, max_length=-30),
    case("cut within the first answer", PICTURES, grids=GRIDS, max_length="answer"),
    case("the start cut within the second picture", PICTURES, grids=GRIDS, max_length="second", truncation="keep_end"),
]
SMOLLM = [
    case("turns", TURNS),
    case("turns, not thinking", TURNS, arguments={"enable_thinking": False}),
    case("turns, the last", TURNS, "last"),
    case("turns, all", TURNS, "all"),
    case("thoughts", THOUGHT),
    case("tools", TOOLS, arguments={"tools": WEATHER}),
    case("tools, not thinking", TOOLS, arguments={"tools": WEATHER, "enable_thinking": False}),
    case("tools, completion", TOOLS, "completion", arguments={"tools": WEATHER}, prompt_messages=4),
    case("cut within the last answer", TOOLS, arguments={"tools": WEATHER}, max_length=-3),
    case("the start cut", TOOLS, arguments={"tools": WEATHER}, max_length=40, truncation="keep_end"),
]


class Model:
    def __init__(self, name, template, tokenizer, end, image_tokens):
        self.name, self.template, self.end, self.image_tokens = name, template, end, image_tokens
        self.tokenizer = Tokenizer.from_str(tokenizer)

    def render(self, messages, ask, arguments):
        if not self.image_tokens:  # a template of texts
            messages = [{**m, "content": "".join(p["text"] for p in m["content"])} for m in messages]
        variables = dict(arguments)
        tools = variables.pop("tools", None)
        texts, _ = render_jinja_template([messages], tools=tools, chat_template=self.template,
                                         add_generation_prompt=ask, **variables)  # fmt: skip
        return texts[0]

    def expand(self, text, grids):
        """The text with its pictures, and the range of characters of each."""
        out, ranges = "", []
        pieces = text.split("<image>")
        assert len(pieces) <= len(grids) + 1
        for i, piece in enumerate(pieces):
            out += piece
            if i + 1 < len(pieces):
                shown = get_image_prompt_string(*grids[i], self.image_tokens, fake_token_around_image="<fake_token_around_image>",
                                                image_token="<image>", global_image_token="<global-img>")  # fmt: skip
                ranges.append((len(out), len(out) + len(shown)))
                out += shown
        return out, ranges

    def encode(self, text):
        """Ids with the character at which each begins."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        starts, at = [], 0
        for i in ids:
            starts.append(at)
            at += len(self.tokenizer.decode([i], skip_special_tokens=False))
        assert at == len(text), (at, len(text))
        return ids, starts


def answers(model, case):
    """Characters of each answer, its end token included, with the number of its message."""
    out = []
    for k, message in enumerate(case["messages"]):
        if message["role"] != "assistant":
            continue
        before = model.expand(model.render(case["messages"][:k], True, case["arguments"]), case["grids"])[0]
        after = model.expand(model.render(case["messages"][: k + 1], False, case["arguments"]), case["grids"])[0]
        assert after.startswith(before)
        out.append((len(before), after.rindex(model.end) + len(model.end), k))
    return out


def mask(model, case, text, ids, starts, pictures):
    """Per token whether it is trained."""
    token = lambda i: model.tokenizer.id_to_token(ids[i])
    in_picture = [any(a <= s < b for a, b in pictures) for s in starts]
    embedding = [token(i) == "<image>" for i in range(len(ids))]
    kind, turns = case["mask"], answers(model, case)
    if kind == "all":
        return [not p for p in in_picture]
    if kind == "hf-notebook":
        return [not e for e in embedding]
    if kind == "smolvlm2-official":
        # As the authors' code: from "System:" or "User:" to before the next end of an utterance.
        out, at = [True] * len(ids), 0
        for who in ("System:", "User:"):
            begin = text.find(who)
            while begin >= 0:
                end = text.index(EOU, begin)
                out = [o and not begin <= s < end for o, s in zip(out, starts)]
                begin = text.find(who, end)
        out[0] = False  # nothing comes before it, so that it is never predicted
        return [o and not p for o, p in zip(out, in_picture)]
    if kind == "trl-default":
        begin = next(a for a, _, k in turns if k >= case["prompt_messages"])
        return [s >= begin and not e for s, e in zip(starts, embedding)]
    if kind == "last":
        turns = turns[-1:]
    if kind == "completion":
        turns = [t for t in turns if t[2] >= case["prompt_messages"]]
    return [any(a <= s < b for a, b, _ in turns) for s in starts]


def window(case, ids, starts, pictures, turns):
    """The tokens that stay: none of a picture that does not fit whole."""
    length = case["max_length"]
    if length == "answer":
        length = sum(s < turns[0][0] for s in starts) + 2
    elif length == "second":
        length = sum(s >= pictures[1][0] for s in starts) - 20
    elif length < 0:
        length += len(ids)
    if not length or length >= len(ids):
        return length, 0, len(ids)
    begin, end = (0, length) if case["truncation"] == "keep_start" else (len(ids) - length, len(ids))
    for a, b in pictures:
        if end < len(ids) and a < starts[end] < b:
            end = next(i for i, s in enumerate(starts) if s >= a)
        if begin > 0 and a < starts[begin] < b:
            begin = next(i for i, s in enumerate(starts) if s >= b)
    return length, begin, end


def runs(flags):
    out, open_at = [], None
    for i, flag in enumerate(list(flags) + [False]):
        if flag and open_at is None:
            open_at = i
        if not flag and open_at is not None:
            out.append([open_at, i])
            open_at = None
    return out


def expectation(model, case):
    text, pictures = model.expand(model.render(case["messages"], False, case["arguments"]), case["grids"])
    ids, starts = model.encode(text)
    flags = mask(model, case, text, ids, starts, pictures)
    length, begin, end = window(case, ids, starts, pictures, answers(model, case))
    bounds = starts + [len(text)]
    trained = runs(flags[begin:end])
    shorten = lambda t: t.replace("<image>" * model.image_tokens, "<image>*") if model.image_tokens else t
    texts = [text[bounds[begin + a] : bounds[begin + b]] for a, b in trained]
    return {"case": case["name"], "tokens": end - begin, "max_length": length, "trained": trained,
            "texts": [shorten(t) for t in texts] if case["mask"] not in ("all", "hf-notebook") else None}  # fmt: skip


def files(folder, template, tokenizer):
    return (folder / template).read_text(encoding="utf-8"), (folder / tokenizer).read_text(encoding="utf-8")


def main():
    tiny = [
        (SMOLVLM, Model("smolvlm2-a", *files(ROOT / "models/smolvlm2-a", "chat_template.jinja", "tokenizer.json"), EOU, 64)),
        (SMOLLM, Model("smollm3", *files(ROOT / "models/smollm3", "chat_template.jinja", "tokenizer.json"), IMEND, 0)),
    ]
    expected = {m.name: [expectation(m, c) for c in cases] for cases, m in tiny}
    real = {}
    if len(sys.argv) > 1:
        shared = pathlib.Path(sys.argv[1])
        models = [
            (SMOLVLM, Model("SmolVLM2-2.2B-Instruct", *files(shared / "SmolVLM2-2.2B-Instruct", "chat_template.from_transformers.jinja", "tokenizer.json"), EOU, 81)),
            (SMOLLM, Model("SmolLM3-3B", *files(shared / "SmolLM3-3B", "chat_template.jinja", "tokenizer.reconstructed.json"), IMEND, 0)),
        ]  # fmt: skip
        real = {m.name: [expectation(m, c) for c in cases] for cases, m in models}
    elif OUT.exists():
        real = json.loads(OUT.read_text())["real"]
    document = {"now": NOW, "smolvlm": SMOLVLM, "smollm": SMOLLM, "tiny": expected, "real": real}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, cases in {**expected, **real}.items():
        for c in cases:
            print(name, "|", c["case"], "|", c["tokens"], c["trained"], c["texts"])


main()
