#!/usr/bin/env python3
"""Makes tests/fixtures/tokenizers: small tokenizers of each pipeline, trained with Hugging Face tokenizers,
and what it encodes and decodes with them.

    texts.json       [text, ...]
    NAME.json        a tokenizer.json
    NAME.ids         for each text, little-endian uint16: number of ids, ids
    NAME.plain.json  {index: ids} with special tokens left as text (encode_special_tokens), where
                     that makes a difference
    NAME.decode.json {"texts": {index: decoded where it is not the text}, "texts_skip": {...} the same
                     without special tokens (of every third text), "random": [[ids, decoded,
                     decoded without special tokens], ...]}
    variants.json    [{"base": NAME, "set": members to replace in NAME.json, "texts": [index, ...],
                      "ids": [[...], ...], "plain": {place in "texts": ids where special tokens
                     left as text make a difference}}, ...]: steps that no model of ours uses but
                     files may

Usage: make_tokenizers.py [FOLDER]
"""
import json
import pathlib
import random
import struct
import sys
import unicodedata

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        processors, trainers)

from tokenizer_texts import make_texts, training_lines

ROOT = pathlib.Path(__file__).resolve().parents[2]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
O200K = ("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
MARKERS = ["<|im_start|>", "<|im_end|>", "<image>", "<row_1_col_1>", "<think>", "</think>", "[L]", "[R]", "[LR]",
           "[W]", "[W]x", "Zebra", "\ufb01sh", "<|im_", "\n\n\n"]


def train(vocab_size, pre, normalizer=None, specials=(), alphabet=True, **model):
    t = Tokenizer(models.BPE(**model))
    t.pre_tokenizer = pre
    if normalizer is not None:
        t.normalizer = normalizer
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(specials), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [])
    t.train_from_iterator(training_lines(), trainer)
    return t


def smol():
    """SmolLM2, SmolVLM. Like the real one it lacks some bytes (they disappear)."""
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t = train(900, pre, specials=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], alphabet=False)
    t.add_special_tokens([AddedToken(s, normalized=False, special=True)
                          for s in ["<image>", "<row_1_col_1>", "<|im_"]])
    return json.loads(t.to_str())


def llama3():
    """SmolLM3. Merges as strings; words that only ignore_merges finds; think tags that are text."""
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t = train(900, pre)
    t.add_special_tokens([AddedToken(s, normalized=False, special=True)
                          for s in ["<|begin_of_text|>", "<|im_start|>", "<|im_end|>"]])
    t.add_tokens([AddedToken(s, normalized=False, special=False) for s in ["<think>", "</think>"]])
    j = json.loads(t.to_str())
    j["model"]["ignore_merges"] = True
    vocab = j["model"]["vocab"]
    ids = sorted(vocab, key=vocab.get)
    words = ["\u0120water", "\u0120people", "123", "I'm", "\u0120\u00e9", "don", "\u0120THEY"]
    ids += [w for w in words if w not in vocab]
    j["model"]["vocab"] = {token: i for i, token in enumerate(ids)}
    j["model"]["merges"] = [" ".join(m) for m in j["model"]["merges"]]
    for i, a in enumerate(j["added_tokens"]):
        a["id"] = len(ids) + i
    bos = next(a["id"] for a in j["added_tokens"] if a["content"] == "<|begin_of_text|>")
    j["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "TemplateProcessing",
         "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [bos], "tokens": ["<|begin_of_text|>"]}}}]}
    return j


def plain():
    """ByteLevel alone, with a space put before the text and an unknown token for missing bytes."""
    t = train(700, pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True), specials=["<unk>"],
              alphabet=False, unk_token="<unk>")
    return json.loads(t.to_str())


def added():
    """Every kind of added token, over NFKC."""
    t = train(700, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), normalizers.NFKC(),
              specials=["<|im_start|>", "<|im_end|>"])
    add = lambda content, special=False, **options: AddedToken(content, special=special, **options)
    t.add_special_tokens([add("[L]", True, lstrip=True, normalized=False), add("[R]", True, rstrip=True, normalized=False)])
    t.add_tokens([add("[LR]", lstrip=True, rstrip=True, normalized=False), add("[W]", single_word=True, normalized=False),
                  add("Zebra", single_word=True, normalized=True), add("\ufb01sh", normalized=True),
                  add("<|im_", normalized=False), add("[W]x", normalized=False), add("\n\n\n", normalized=False),
                  add("<think>", normalized=True, rstrip=True), add("</think>", normalized=False)])
    t.add_special_tokens([add("<image>", True, normalized=True)])
    return json.loads(t.to_str())


def packed(rows):
    return b"".join(struct.pack(f"<{len(row) + 1}H", len(row), *row) for row in rows)


def random_ids(r, t, count=200):
    limit = max(t.get_vocab(with_added_tokens=True).values()) + 1
    rows = []
    for _ in range(count):
        row = [r.randrange(limit) for _ in range(r.randint(1, 12))]
        rows.append([row, t.decode(row, skip_special_tokens=False), t.decode(row, skip_special_tokens=True)])
    return rows


VARIANTS = [
    ("smol", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}]}}),
    ("smol", {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}}),
    ("llama3", {"normalizer": {"type": "NFC"}}),
    ("llama3", {"normalizer": {"type": "NFD"}}),
    ("llama3", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "NFC"}]}}),
] + [
    ("llama3", {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}]}})
    for pattern, behavior, invert, use_regex in [
        ({"Regex": QWEN2}, "Isolated", False, False), ({"Regex": LLAMA3}, "Removed", True, False),
        ({"Regex": GPT2}, "Isolated", False, False), ({"Regex": O200K}, "Isolated", False, False),
        ({"Regex": r"\p{N}{1,3}(?=(?:\p{N}{3})*$)"}, "Isolated", False, True),
        ({"Regex": r"\s+"}, "Removed", False, False), ({"Regex": r"\p{Lu}"}, "MergedWithNext", False, False),
        ({"Regex": r"\p{P}+"}, "MergedWithPrevious", False, False), ({"Regex": r"\p{L}"}, "Contiguous", False, False),
        ({"Regex": r"\p{L}+"}, "Contiguous", True, False), ({"Regex": r"(?=\p{Lu})"}, "Isolated", False, False),
        ({"Regex": r"(?<=\n)|a*"}, "Isolated", False, False), ({"Regex": r"^.|x$"}, "MergedWithNext", False, False),
        ({"String": " "}, "MergedWithPrevious", False, False), ({"String": "a"}, "Removed", True, False),
        ({"String": "."}, "Isolated", False, True), ({"String": "  "}, "MergedWithNext", False, False)]
]


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "fixtures" / "tokenizers"
    out.mkdir(parents=True, exist_ok=True)
    r = random.Random(3)
    texts = make_texts(markers=MARKERS)
    write = lambda name, value: (out / name).write_text(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    write("texts.json", texts)
    made = {"smol": smol(), "llama3": llama3(), "plain": plain(), "added": added()}
    for name, j in made.items():
        write(name + ".json", j)
        t = Tokenizer.from_str(json.dumps(j))
        rows = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
        (out / f"{name}.ids").write_bytes(packed(rows))
        t.encode_special_tokens = True
        as_text = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
        write(name + ".plain.json", {str(i): a for i, (a, b) in enumerate(zip(as_text, rows)) if a != b})
        decode = {"texts": {}, "texts_skip": {}, "random": random_ids(r, t)}
        for i, (text, row) in list(enumerate(zip(texts, rows)))[::3]:
            for key, skip in (("texts", False), ("texts_skip", True)):
                if (got := t.decode(row, skip_special_tokens=skip)) != text:
                    decode[key][str(i)] = got
        write(name + ".decode.json", decode)
        print(name, "vocabulary", t.get_vocab_size(), "ids", sum(map(len, rows)))
    # PCRE2 may know an older Unicode than tokenizers: variants see settled characters only.
    settled = [i for i, text in enumerate(texts) if all(unicodedata.category(c) != "Cn" for c in text)]
    variants = []
    for base, change in VARIANTS:
        t = Tokenizer.from_str(json.dumps({**made[base], **change}))
        marked = [i for i in settled if texts[i] in MARKERS]
        chosen = sorted({*r.sample(settled, 110), *marked})
        rows = [t.encode(texts[i], add_special_tokens=True).ids for i in chosen]
        t.encode_special_tokens = True
        as_text = [t.encode(texts[i], add_special_tokens=True).ids for i in chosen]
        plain_rows = {str(i): a for i, (a, b) in enumerate(zip(as_text, rows)) if a != b}
        variants.append({"base": base, "set": change, "texts": chosen, "ids": rows, "plain": plain_rows})
    write("variants.json", variants)
    total = sum(f.stat().st_size for f in out.iterdir())
    print(len(texts), "texts,", len(made), "tokenizers,", len(variants), "variants,", total, "bytes")


if __name__ == "__main__":
    main()
