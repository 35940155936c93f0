#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.cpp: the character classes that tokenizer patterns speak of.

Hugging Face tokenizers defines token ids, so the classes are read out of that library, character
by character, rather than from a Unicode data file of some other version:

    letter    \\p{L}  in a Split pattern (Oniguruma)
    number    \\p{N}  in a Split pattern
    space     \\s     in a Split pattern
    numeric   char::is_numeric, what the Digits pre-tokenizer isolates (Rust)
    word      \\w     beside an added token with single_word (Rust regex)
    strip     \\s     that an added token with lstrip or rstrip takes along (Rust regex)
    inert          newer than the tables of NFC, NFD, NFKC and NFKD in tokenizers: what utf8proc
                   would decompose or reorder and tokenizers does not, or neither of them knows

Usage: tools/unicode_tables.py    (needs the Python package tokenizers, and libutf8proc 2.8 or newer)
"""
import ctypes
import ctypes.util
import pathlib

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parents[1] / "src" / "text" / "unicode_ranges.cpp"
BITS = ["letter", "number", "space", "numeric", "word", "strip", "inert"]
CHARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def removed_by(pre_tokenizer):
    """The characters that disappear, i.e. that match."""
    found = set()
    for at in range(0, len(CHARS), 4096):
        part = CHARS[at:at + 4096]
        text = "".join(map(chr, part))
        left = {c for piece, _ in pre_tokenizer.pre_tokenize_str(text) for c in piece}
        found.update(c for c in part if chr(c) not in left)
    return found


def numeric():
    found = set()
    digits = pre_tokenizers.Digits(individual_digits=True)
    for at in range(0, len(CHARS), 4096):
        # A full stop on both sides: only a numeric character becomes a piece of its own.
        text = "".join(f".{chr(c)}." for c in CHARS[at:at + 4096])
        for piece, _ in digits.pre_tokenize_str(text):
            if len(piece) == 1 and piece != ".":
                found.add(ord(piece))
    return found


def beside_added_token(**options):
    """For every character c: the token and its offsets for the text 'X' + c."""
    tokenizer = Tokenizer(models.BPE(vocab={"u": 0}, merges=[], unk_token="u"))
    tokenizer.add_tokens([AddedToken("\U000F1234", normalized=False, **options)])
    texts = ["\U000F1234" + chr(c) for c in CHARS if c != 0xF1234]
    kept = [c for c in CHARS if c != 0xF1234]
    out = {}
    for at in range(0, len(texts), 65536):
        for c, e in zip(kept[at:at + 65536], tokenizer.encode_batch(texts[at:at + 65536])):
            out[c] = (e.ids, e.offsets)
    return out


class Property(ctypes.Structure):
    """The first fields of utf8proc_property_t."""
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


def inert():
    utf8proc = ctypes.CDLL(ctypes.util.find_library("utf8proc"))
    utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
    utf8proc.utf8proc_decompose_char.restype = ctypes.c_ssize_t
    stable, compat, decompose = 2, 4, 16
    nfkd, nfd = normalizers.NFKD(), normalizers.NFD()
    parts = (ctypes.c_int32 * 32)()
    found = set()
    for c in CHARS:
        known = utf8proc.utf8proc_get_property(c)[0]
        n = utf8proc.utf8proc_decompose_char(c, parts, 32, stable | compat | decompose, None)
        if known.category == 0:  # unassigned
            found.add(c)
        elif (n != 1 or parts[0] != c) and nfkd.normalize_str(chr(c)) == chr(c):
            found.add(c)
        elif known.combining_class != 0:
            # Beside a mark of another class it must move.
            text = f"a\u0301{chr(c)}" if known.combining_class < 230 else f"a{chr(c)}\u0323"
            if n == 1 and nfd.normalize_str(text) in (text, "\u00e1" + chr(c)):
                found.add(c)
    return found


def main():
    split = lambda r: pre_tokenizers.Split(Regex(r), "removed")
    classes = {
        "letter": removed_by(split(r"\p{L}")),
        "number": removed_by(split(r"\p{N}")),
        "space": removed_by(split(r"\s")),
        "numeric": numeric(),
        "word": {c for c, (ids, _) in beside_added_token(single_word=True).items() if 1 not in ids},
        "strip": {c for c, (ids, _) in beside_added_token(rstrip=True).items() if ids == [1]},
        "inert": inert(),
    }
    for name, members in classes.items():
        print(name, len(members))
    print("number == numeric:", classes["number"] == classes["numeric"],
          " space == strip:", classes["space"] == classes["strip"])
    bounds, last = [], 0
    for c in range(0x110000):
        bits = sum(1 << i for i, name in enumerate(BITS) if c in classes[name])
        if bits != last:
            bounds.append((c, bits))
            last = bits
    lines = [
        f"// Made by tools/unicode_tables.py from tokenizers {tokenizers.__version__}; do not edit.",
        '#include "text/unicode_classes.h"',
        "",
        "namespace ocelli::text {",
        "",
        "// {first code point << 8 | classes}: holds up to the next entry.",
        f"const uint32_t kUnicodeRanges[kUnicodeRangeCount] = {{",
    ]
    words = [f"0x{c << 8 | bits:x}," for c, bits in bounds]
    line = "   "
    for word in words:
        if len(line) + 1 + len(word) > 100:
            lines.append(line)
            line = "   "
        line += " " + word
    lines += [line, "};", "", "}  // namespace ocelli::text", ""]
    OUT.write_text("\n".join(lines))
    print(len(bounds), "ranges: set kUnicodeRangeCount in src/text/unicode_classes.h")


if __name__ == "__main__":
    main()
