"""Texts to compare tokenizers on: made up from the characters of more than 40 scripts, so that no
corpus is copied and every run gives the same ones."""
import random
import unicodedata

# Script or block: ranges of code points to draw letters and marks from.
SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A)],
    "latin-1": [(0x61, 0x7A), (0xC0, 0xFF)],
    "latin-ext": [(0x61, 0x7A), (0x100, 0x24F), (0x1E00, 0x1EFF)],
    "ipa": [(0x250, 0x2FF)],
    "greek": [(0x370, 0x3FF)],
    "greek-ext": [(0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x4FF)],
    "armenian": [(0x531, 0x58F)],
    "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x610, 0x6FF)],
    "syriac": [(0x700, 0x74F)],
    "thaana": [(0x780, 0x7B1)],
    "nko": [(0x7C0, 0x7FF)],
    "devanagari": [(0x900, 0x97F)],
    "bengali": [(0x980, 0x9FF)],
    "gurmukhi": [(0xA01, 0xA76)],
    "gujarati": [(0xA81, 0xAFF)],
    "oriya": [(0xB01, 0xB77)],
    "tamil": [(0xB82, 0xBFA)],
    "telugu": [(0xC00, 0xC7F)],
    "kannada": [(0xC80, 0xCF2)],
    "malayalam": [(0xD00, 0xD7F)],
    "sinhala": [(0xD81, 0xDF4)],
    "thai": [(0xE01, 0xE5B)],
    "lao": [(0xE81, 0xEDF)],
    "tibetan": [(0xF00, 0xFDA)],
    "myanmar": [(0x1000, 0x109F)],
    "georgian": [(0x10A0, 0x10FF)],
    "jamo": [(0x1100, 0x11FF)],
    "ethiopic": [(0x1200, 0x139F)],
    "cherokee": [(0x13A0, 0x13FD)],
    "canadian": [(0x1400, 0x167F)],
    "ogham": [(0x1681, 0x169C)],
    "runic": [(0x16A0, 0x16F8)],
    "khmer": [(0x1780, 0x17F9)],
    "mongolian": [(0x1800, 0x18AA)],
    "hiragana": [(0x3041, 0x309F)],
    "katakana": [(0x30A0, 0x30FF)],
    "bopomofo": [(0x3105, 0x312F)],
    "han": [(0x4E00, 0x5300), (0x9000, 0x9100)],
    "yi": [(0xA000, 0xA0FF)],
    "hangul": [(0xAC00, 0xAE00)],
    "presentation": [(0xFB00, 0xFBFF), (0xFF01, 0xFFEE)],
    "gothic": [(0x10330, 0x1034A)],
    "deseret": [(0x10400, 0x1044F)],
    "cuneiform": [(0x12000, 0x12100)],
    "hieroglyphs": [(0x13000, 0x130FF)],
    "adlam": [(0x1E900, 0x1E959)],
    "mathematical": [(0x1D400, 0x1D7FF)],
    "han-ext": [(0x20000, 0x20100)],
}
SPACES = "\t\n\x0b\x0c\r\x1c\x1f \x85\xa0\u1680\u180e\u2000\u2003\u2009\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
EMOJI = [
    "\U0001F600", "\U0001F999", "\u2764\ufe0f", "\U0001F469\u200d\U0001F4BB", "\U0001F44D\U0001F3FD",
    "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466", "\U0001F1EB\U0001F1F7", "1\ufe0f\u20e3",
    "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "\u263a", "\U0001FAE0",
]
# Characters whose class differs between Unicode versions or between the two engines of tokenizers.
EDGES = ("\u019b\u17f0\u0e3f\u2150\u2189\u3007\u3021\u4e00\u58f1\u1c89\U00010d40\U00010d50\U00011bf0"
         "\U000116d0\U0001ccf0\U0001e5f1\U00016d70\U0001d7ce\u0bf0\u2460\u24b6\u1f130\u16ee\u02bc\u00aa"
         "\u00ba\u00b2\u00bd\u0345\u0300\u20dd\u203f\u2040\ufe33\uff3f\u200c\u200d\u017f\u212a\ufb05\ufb06")
CODE = [
    "def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {\n\t\ta[i] += b[i];\n}\n",
    "SELECT a, COUNT(*) FROM t WHERE x >= 1.5e-3;", "<div class=\"x\">&nbsp;</div>\r\n",
    "x = {'a': [1, 2, 3], \"b\": None}  # note", "git commit -m 'it\\'s' && ./run.sh --n=10 2>&1",
    "\\frac{1}{2}\\sum_{i=0}^{n} x_i^2", "https://example.org/a?b=c&d=%20#e", "0x7fff_ffff 1e10 3.14159",
]
ENGLISH = ("the of and to in is you that it he was for on are as with his they I at be this have from or "
           "one had by word but not what all were we when your can said there use an each which she do "
           "how their if will up other about out many then them these so some her would make like him "
           "into time has look two more write go see number no way could people my than first water been "
           "call who oil its now find long down day did get come made may part don't I'll you're we've "
           "I'm he'd it's CAN'T WE'LL THEY'RE I'M").split()


def letters(ranges):
    return [chr(c) for a, b in ranges for c in range(a, b + 1)
            if unicodedata.category(chr(c))[0] in "LM"] or [chr(c) for a, b in ranges for c in range(a, b)]


def make_texts(seed=7, markers=()):
    """At least 2,000 different texts. `markers` are strings to sprinkle in (added tokens)."""
    r = random.Random(seed)
    alphabet = {name: letters(ranges) for name, ranges in SCRIPTS.items()}
    digits = [chr(c) for c in range(0x1FFFF) if unicodedata.category(chr(c)) in ("Nd", "Nl", "No")]
    lexicon = {}
    for name, chars in alphabet.items():
        common = r.sample(chars, min(len(chars), 24))
        lexicon[name] = ["".join(r.choice(common if r.random() < .8 else chars)
                                 for _ in range(r.randint(1, 7))) for _ in range(40)]
    punctuation = list(".,;:!?-'\"()[]{}<>/@#$%^&*_+=|~`") + list("\u2014\u2026\u00ab\u00bb\u3002\uff0c\u00bf\u20ac\u2192")

    def word():
        k = r.random()
        if k < .3:
            return r.choice(ENGLISH)
        return r.choice(lexicon[r.choice(list(lexicon))])

    def number():
        if r.random() < .6:
            return "".join(r.choice("0123456789") for _ in range(r.randint(1, 9)))
        return "".join(r.choice(digits) for _ in range(r.randint(1, 5)))

    def joiner():
        k = r.random()
        if k < .7:
            return " "
        if k < .8:
            return r.choice(["", "\n", "\n\n", "\t", "\r\n", "  "])
        if k < .9:
            return "".join(r.choice(" \n\t\r") for _ in range(r.randint(1, 8)))
        return r.choice(punctuation) + r.choice(["", " "])

    def anything():
        k = r.random()
        if k < .5:
            return word()
        if k < .62:
            return number()
        if k < .7:
            return r.choice(EMOJI)
        if k < .76:
            return "".join(r.choice(SPACES) for _ in range(r.randint(1, 6)))
        if k < .82:
            return r.choice(EDGES)
        if k < .88:
            return "'" + r.choice(["s", "S", "t", "T", "re", "RE", "vE", "ll", "LL", "lL", "d", "D", "m", "x", "\u017f", "l"])
        if k < .92:
            return "".join(r.choice(punctuation) for _ in range(r.randint(1, 5)))
        if k < .94:
            return chr(r.choice([0, 1, 7, 8, 0x1B, 0x7F, 0x80, 0x9F, 0xAD, 0x200E, 0xFFFD, 0xFFFE, 0x10FFFF, 0xE000]))
        if k < .96:
            base = r.choice(alphabet["latin"])
            return base + "".join(chr(r.randint(0x300, 0x36F)) for _ in range(r.randint(1, 6)))
        return r.choice(markers) if markers else word()

    texts = ["", " ", "  ", "\n", "\n\n \n", "\t", "a", " a", "a ", "'s", "''s", "' s", "1", " 1", "12", "1234", " 12 345"]
    texts += CODE + EMOJI + list(EDGES) + [c + "a" for c in SPACES] + ["a" + c + "1" for c in SPACES]
    texts += ["a" * 200, " " * 150, "9" * 120, "\n" * 70 + "x", "\u4e00" * 80, "\U0001F600" * 60, "ab" * 100, "'" * 40, "\u0301" * 50]
    for name in lexicon:  # one script each
        for _ in range(16):
            texts.append(" ".join(r.choice(lexicon[name]) for _ in range(r.randint(1, 7))))
    while len(texts) < 1250:  # mixed
        texts.append("".join(word() + joiner() for _ in range(r.randint(1, 9))))
    while len(texts) < 2150:
        texts.append("".join(anything() + (joiner() if r.random() < .6 else "") for _ in range(r.randint(1, 8))))
    for m in markers:
        texts += [m, " " + m, m + " ", f"a{m}", f"{m}a", f"a {m} b", f"a \n\t{m}\u3000 \n b", f"{m}{m}", f" {m} {m} ",
                  f"_{m}", f"{m}9", f"-{m}-", f"\u0301{m}", m[:-1], m[1:], m[:-1] + m]
    return list(dict.fromkeys(texts))


def training_lines():
    """Text to learn a small vocabulary from."""
    return make_texts(seed=11)[100:] + [" ".join(ENGLISH)] * 5
