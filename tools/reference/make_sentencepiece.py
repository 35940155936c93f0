#!/usr/bin/env python3
"""Makes tests/fixtures/sentencepiece: small SentencePiece BPE models of each kind, trained here, and what
transformers, tokenizers and the sentencepiece library make of them.

    texts.json         [text, ...]
    NAME.model         a tokenizer.model
    NAME.config.json   the tokenizer_config.json beside it
    NAME.expected.json the tokenizer.json that transformers makes of the two; of its vocabulary and merges
                       only {"count", "sha256"} of the lines "token id" and "left right" (JSON strings, UTF-8)
                       is kept, of a charsmap the length
    pipelines.json     {NAME: {"base": a model, "set": members to replace in its tokenizer.json, those of "model"
                       one by one; an empty charsmap stands for the base's}}: the same vocabulary under other steps,
                       as found in real files
    NAME.ids           as tokenizers encodes each text. Of a model: uint16 number of ids, then per id one or two
                       bytes (below 0x80 one; else 0x80 | high, low). Of a pipeline: FNV-1a (32 bits) of the ids as
                       int32; all little-endian
    NAME.plain.json    {index: ids} with special tokens left as text, where that makes a difference
    NAME.decode.json   {"texts": {index: decoded where it is not the text}, "texts_skip": the same without
                       special tokens, "random": [[ids, decoded, decoded without special tokens], ...]}
    ../fuzz/sentencepiece/NAME.model, ../fuzz/tokenizer/NAME.json
                       seeds for fuzzers: the first pieces of each model, and pipelines over a few of them
    library.json       {NAME: texts for which the sentencepiece library has other ids than transformers}. It takes
                       special tokens for text, puts its prefix also before a space, cuts a run of spaces
                       that is longer than any piece from the left, and applies the charsmap and add_dummy_prefix that
                       transformers' classes do not read; no other difference is accepted

Usage: make_sentencepiece.py [FOLDER]
"""
import base64
import collections
import hashlib
import json
import os
import pathlib
import random
import struct
import sys
import tempfile
import warnings

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.utils import logging

from tokenizer_texts import make_texts, training_lines

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARKERS = ["<s>", "</s>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<unk>", "<pad>", "<0x41>", "[L]", "[R]", "[LR]",
           "[W]", "Zebra", "\u2581", "\u2581\u2581", "\n\n\n", "<|end|>", "<0xE4>"]
# Rules of our own: a character, a string of two, one that disappears, one that grows, one that ends in a mark.
RULES = [("\u00e9", "e"), ("\ufb01", "fi"), ("\u200b", ""), ("\u3000", " "), ("e\u0301", "\u00e9"), ("\u2026", "..."),
         ("\u00bd", "1\u20442"), ("a\u0308", "ae"), ("\ufdfa", "sallallahou alayhe wasallam"), ("\u0130", "i\u0307")]


def corpus(folder):
    """Lines of the 260 most frequent characters: the rest is for bytes and the unknown token."""
    lines = list(training_lines())
    common = {c for c, _ in collections.Counter("".join(lines)).most_common(260)}
    path = folder / "lines.txt"
    path.write_text("\n".join("".join(c for c in line if c in common) for line in lines), encoding="utf-8")
    return str(path)


def train(folder, name, text, **options):
    prefix = str(folder / name)
    sentencepiece.SentencePieceTrainer.train(
        input=text, model_prefix=prefix, model_type="bpe", minloglevel=2, num_threads=1, character_coverage=1.0,
        allow_whitespace_only_pieces=True, **options)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(pathlib.Path(prefix + ".model").read_bytes())
    for field in ("input", "model_prefix"):  # names of temporary files
        model.trainer_spec.ClearField(field)
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    return model.SerializeToString(deterministic=True)


def make_models(folder):
    text = corpus(folder)
    rules = folder / "rules.tsv"
    rules.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n"
                             for a, b in RULES), encoding="utf-8")
    added = lambda content, **flags: {"content": content, "lstrip": False, "rstrip": False, "single_word": False,
                                      "normalized": False, "special": False, **flags}
    return {
        # Llama 2: a space before the text, bytes, no normalizer.
        "llama": (train(folder, "llama", text, vocab_size=800, byte_fallback=True, split_digits=True,
                        normalization_rule_name="identity", remove_extra_whitespaces=False),
                  {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False,
                   "bos_token": {"__type": "AddedToken", **added("<s>", special=True)}, "eos_token": "</s>",
                   "unk_token": "<unk>", "pad_token": None}),
        # Gemma: no space before the text, runs of newlines and spaces, turns that the configuration makes special.
        "gemma": (train(folder, "gemma", text, vocab_size=900, byte_fallback=True, split_digits=True,
                        add_dummy_prefix=False, remove_extra_whitespaces=False, normalization_rule_tsv=str(rules),
                        pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", bos_piece="<bos>",
                        eos_piece="<eos>",
                        user_defined_symbols=["<mask>", "<start_of_turn>", "<end_of_turn>"] +
                        ["\n" * n for n in range(1, 6)] + ["\u2581" * n for n in range(2, 8)] + ["<b>", "</b>"]),
                  {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "bos_token": "<bos>",
                   "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>",
                   "added_tokens_decoder": {"5": added("<start_of_turn>", special=True),
                                            "6": added("<end_of_turn>", special=True),
                                            "900": added("<new>", special=True, lstrip=True),
                                            "901": added("Zebra", single_word=True, normalized=True)}}),
        # No bytes: an unknown token. The full charsmap of nmt_nfkc.
        "words": (train(folder, "words", text, vocab_size=700, normalization_rule_name="nmt_nfkc",
                        remove_extra_whitespaces=False),
                  {"tokenizer_class": "PreTrainedTokenizerFast"}),
    }


SPACE = "\u2581"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
BYTES = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]


def added_tokens(size):
    add = lambda i, content, **flags: {"id": size + i, "content": content, "single_word": False, "lstrip": False,
                                       "rstrip": False, "normalized": False, "special": False, **flags}
    return [add(0, "[L]", special=True, lstrip=True), add(1, "[R]", special=True, rstrip=True),
            add(2, "[LR]", lstrip=True, rstrip=True), add(3, "[W]", single_word=True),
            add(4, "Zebra", normalized=True, single_word=True), add(5, "<|end|>", special=True, rstrip=True),
            add(6, "the water", normalized=True), add(7, "\n\n\n")]


def pipelines(made):
    """Steps of real files: Llama 2 (legacy), Mistral, phi-3, T5's Metaspace, and combinations."""
    sequence = lambda key, *items: {"type": "Sequence", key: list(items)}
    metaspace = lambda scheme, split: {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}
    legacy = sequence("normalizers", {"type": "Prepend", "prepend": SPACE}, REPLACE)
    llama, words = made["llama"], made["words"]
    flagged = lambda j: j["added_tokens"] + added_tokens(len(j["model"]["vocab"]))
    metaspace_decoder = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    return {
        "legacy": ("llama", {"normalizer": legacy, "pre_tokenizer": None, "decoder": sequence("decoders", *BYTES, *STRIP),
                             "added_tokens": flagged(llama)}),
        "always": ("llama", {"pre_tokenizer": metaspace("always", True), "decoder": metaspace_decoder,
                             "added_tokens": flagged(llama),
                             "model": {"unk_token": "<unk>", "byte_fallback": False, "fuse_unk": False}}),
        "first": ("llama", {"pre_tokenizer": metaspace("first", True), "added_tokens": flagged(llama),
                            "decoder": sequence("decoders", {"type": "ByteFallback"})}),
        "never": ("llama", {"normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace("never", False),
                            "added_tokens": flagged(llama)}),
        "regex": ("words", {"normalizer": sequence("normalizers", words["normalizer"]["normalizers"][0],
                                                   {"type": "Strip", "strip_left": False, "strip_right": True},
                                                   {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}),
                            "pre_tokenizer": sequence("pretokenizers", {"type": "Digits", "individual_digits": True},
                                                      metaspace("always", True)),
                            "decoder": metaspace_decoder, "added_tokens": flagged(words)}),
        "whole": ("llama", {"normalizer": sequence("normalizers", {"type": "NFC"}, REPLACE), "pre_tokenizer": None,
                            "model": {"ignore_merges": True}, "decoder": sequence("decoders", *BYTES)}),
    }


def write_seeds(out, models, made, changes):
    for folder in ("sentencepiece", "tokenizer"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, (data, _) in models.items():
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(data)
        keep = [p for i, p in enumerate(model.pieces) if i < 24 or len(p.piece) < 3 or p.piece in ("<0x0A>", "<0xC3>", "<0xA9>")]
        del model.pieces[:]
        model.pieces.extend(keep[:60])
        if name == "words":  # its charsmap is large
            model.normalizer_spec.precompiled_charsmap = b""
        (out / "sentencepiece" / f"{name}.model").write_bytes(model.SerializeToString())
    for name, (base, change) in changes.items():
        j = json.loads(json.dumps({**made[base], **{k: v for k, v in change.items() if k != "model"}}))
        j["model"].update(change.get("model", {}))
        vocab = j["model"]["vocab"]
        tokens = [t for t in vocab if len(t) == 1][:40] + [t for t in vocab if t.startswith("<0x")] + ["<unk>"]
        j["model"]["vocab"] = {t: i for i, t in enumerate(tokens)}
        j["model"]["merges"] = []
        for pair in made[base]["model"]["merges"]:
            if all(t in j["model"]["vocab"] for t in pair) and len(j["model"]["vocab"]) < len(tokens) + 12:
                j["model"]["vocab"].setdefault("".join(pair), len(j["model"]["vocab"]))
                j["model"]["merges"].append(pair)
        j["added_tokens"] = [{**t, "id": len(j["model"]["vocab"]) + i} for i, t in enumerate(added_tokens(0))]
        j["post_processor"] = None
        for step in (j["normalizer"] or {}).get("normalizers", []):
            if step["type"] == "Precompiled":  # of the few rules, not the large one
                model = sentencepiece_model_pb2.ModelProto()
                model.ParseFromString(models["gemma"][0])
                step["precompiled_charsmap"] = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
        text = json.dumps(j, ensure_ascii=False, separators=(",", ":"))
        Tokenizer.from_str(text)
        (out / "tokenizer" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def digest(lines):
    return {"count": len(lines), "sha256": hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()}


def summary(j):
    """The tokenizer.json without what a fixture need not repeat."""
    j = json.loads(json.dumps(j))
    quote = lambda s: json.dumps(s, ensure_ascii=False)
    vocab = sorted(j["model"]["vocab"].items(), key=lambda item: item[1])
    j["model"]["vocab"] = digest([f"{quote(token)} {i}" for token, i in vocab])
    j["model"]["merges"] = digest([f"{quote(a)} {quote(b)}" for a, b in j["model"]["merges"]])
    for step in (j["normalizer"] or {}).get("normalizers", []):
        if step["type"] == "Precompiled":
            step["precompiled_charsmap"] = len(step["precompiled_charsmap"])
    j["post_processor"].pop("pair")
    return j


def packed(rows):
    return b"".join(struct.pack("<H", len(row)) +
                    b"".join(bytes([i]) if i < 0x80 else bytes([0x80 | i >> 8, i & 255]) for i in row) for row in rows)


def hashed(rows):
    out = []
    for row in rows:
        h = 0x811C9DC5
        for byte in struct.pack(f"<{len(row)}i", *row):
            h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
        out.append(h)
    return struct.pack(f"<{len(out)}I", *out)


def random_ids(r, t, byte_ids, count=160):
    limit = max(t.get_vocab(with_added_tokens=True).values()) + 1
    rows = []
    for _ in range(count):
        row = []
        while len(row) < r.randint(1, 10):
            k = r.random()
            if byte_ids and k < .25:  # a character in bytes, perhaps cut short
                data = chr(r.choice([0x41, 0xE9, 0x4E00, 0x1F600, r.randrange(0x20, 0xD800)])).encode()
                row += [byte_ids[b] for b in data[:len(data) - (r.random() < .3)]]
            elif byte_ids and k < .35:
                row.append(byte_ids[r.randrange(256)])
            else:
                row.append(r.randrange(limit))
        rows.append([row, t.decode(row, skip_special_tokens=False), t.decode(row, skip_special_tokens=True)])
    return rows


def write_answers(out, write, name, t, texts, r, pack):
    """What tokenizers encodes and decodes."""
    rows = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    (out / f"{name}.ids").write_bytes(pack(rows))
    t.encode_special_tokens = True
    as_text = [e.ids for e in t.encode_batch(texts, add_special_tokens=False)]
    write(name + ".plain.json", {str(i): a for i, (a, b) in enumerate(zip(as_text, rows)) if a != b})
    vocab = t.get_vocab()
    byte_ids = [vocab[f"<0x{b:02X}>"] for b in range(256)] if "<0x00>" in vocab else []
    decode = {"texts": {}, "texts_skip": {}, "random": random_ids(r, t, byte_ids)}
    for i, (text, row) in list(enumerate(zip(texts, rows)))[::8]:
        for key, skip in (("texts", False), ("texts_skip", True)):
            if (got := t.decode(row, skip_special_tokens=skip)) != text:
                decode[key][str(i)] = got
    write(name + ".decode.json", decode)
    return rows


def main():
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "fixtures" / "sentencepiece"
    out.mkdir(parents=True, exist_ok=True)
    write = lambda name, value: (out / name).write_text(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    texts = make_texts(seed=11, markers=MARKERS)
    write("texts.json", texts)
    r = random.Random(5)
    made, library = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models = make_models(folder)
        for name, (model, config) in models.items():
            home = folder / ("hf-" + name)
            home.mkdir()
            (home / "tokenizer.model").write_bytes(model)
            (home / "tokenizer_config.json").write_text(json.dumps(config))
            (out / f"{name}.model").write_bytes(model)
            write(name + ".config.json", config)
            t = AutoTokenizer.from_pretrained(home)
            made[name] = json.loads(t.backend_tokenizer.to_str())
            write(name + ".expected.json", summary(made[name]))
            rows = write_answers(out, write, name, Tokenizer.from_str(json.dumps(made[name])), texts, r, packed)
            original = sentencepiece.SentencePieceProcessor(model_proto=model)
            theirs = [original.encode(text) for text in texts]
            library[name] = [i for i, (a, b) in enumerate(zip(theirs, rows)) if a != b]
            explained = {"llama": lambda text: text[0] in (" ", SPACE), "words": lambda text: True,
                         "gemma": lambda text: any(a in text for a, _ in RULES) or " " * 8 in text}[name]
            added = [token["content"] for token in made[name]["added_tokens"]]
            for i in library[name]:
                assert explained(texts[i]) or any(a in texts[i] for a in added), (name, texts[i])
            print(name, "vocabulary", t.vocab_size, "ids", sum(map(len, rows)), "the library differs on", len(library[name]))
    write("library.json", library)
    changes = pipelines(made)
    write_seeds(out.parent / "fuzz", models, made, changes)
    steps = json.loads(json.dumps({name: {"base": base, "set": change} for name, (base, change) in changes.items()}))
    for step in steps["regex"]["set"]["normalizer"]["normalizers"]:
        if step["type"] == "Precompiled":
            step["precompiled_charsmap"] = ""
    write("pipelines.json", steps)
    for name, (base, change) in changes.items():
        j = {**made[base], **{k: v for k, v in change.items() if k != "model"}}
        j["model"] = {**j["model"], **change.get("model", {})}
        rows = write_answers(out, write, name, Tokenizer.from_str(json.dumps(j)), texts, r, hashed)
        print(name, "ids", sum(map(len, rows)))
    total = sum(f.stat().st_size for f in out.iterdir())
    print(len(texts), "texts,", len(made), "models,", len(changes), "pipelines,", total, "bytes")


if __name__ == "__main__":
    main()
