"""What the scenes are made of: emoji, shapes, colours, words and fonts.

Everything a picture can contain is listed here, so the number of classes of every question type
can be read off. Emoji are named as Unicode names them, in lower case.
"""

import unicodedata

EMOJI_CODES = """
1F436 1F431 1F42D 1F430 1F98A 1F43B 1F43C 1F42F 1F981 1F42E 1F437 1F438 1F435 1F414 1F427 1F986
1F989 1F98B 1F40C 1F41D 1F41E 1F422 1F40D 1F419 1F980 1F41F 1F42C 1F433 1F418 1F992 1F984 1F434
1F34E 1F34C 1F353 1F347 1F349 1F34A 1F34B 1F350 1F351 1F352 1F34D 1F345 1F955 1F33D 1F344 1F35E
1F9C0 1F355 1F354 1F35F 1F32D 1F366 1F369 1F36A 1F382 1F36B 1F37F 2615 1F377 1F95A 1F951 1F33B
1F339 1F337 1F335 1F334 1F332 1F341 1F340 1F31E 1F319 1F525 1F308 1F30B 1F697 1F68C 1F692 1F69C
1F6B2 1F680 1F681 26F5 1F682 2693 1F3E0 1F3F0 26FA 1F511 1F512 1F514 1F4A1 1F4F7 1F4F1 1F4BB 1F4FA
231A 1F528 1F4D6 1F388 1F381 1F451 1F48E 1F453 1F45F 1F455 2614 1F3B8 1F3BA 1F941 26BD 1F3C0 1F3C6
1F3B2 1F52D 1F480 1F47B 1F916 1F383 1F60E 1F622 1F621 1F602 1F44D 1F44B
""".split()

EMOJI = [chr(int(code, 16)) for code in EMOJI_CODES]
EMOJI_NAMES = [unicodedata.name(e).lower() for e in EMOJI]
assert len(set(EMOJI_NAMES)) == len(EMOJI_NAMES)

SHAPES = ["circle", "square", "triangle", "star", "diamond", "hexagon", "cross", "heart"]
SHAPE_PLURALS = {s: ("crosses" if s == "cross" else s + "s") for s in SHAPES}

# sRGB centres; each drawing jitters them a little.
COLOURS = {
    "red": (214, 32, 32),
    "orange": (245, 138, 18),
    "yellow": (250, 220, 40),
    "green": (36, 160, 60),
    "blue": (36, 84, 214),
    "purple": (128, 44, 164),
    "pink": (246, 140, 190),
    "black": (18, 18, 18),
    "white": (250, 250, 250),
}
COLOUR_NAMES = list(COLOURS)
# Colours only backgrounds have.
BACKGROUND_COLOURS = dict(COLOURS, gray=(132, 132, 132))

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]

WORDS = """
apple bird blue boat book bread bus cake car cat chair city coffee cold dance day dog door dream
exit fire fish flower garden gold green happy heart hello home horse hotel house king lake light
lion love milk moon music night ocean open orange paper pizza queen rain red river salt school sea
silver snow star stop summer sun tea time train tree water welcome white winter world yes
""".split()
assert len(set(WORDS)) == len(WORDS)

# What shops sell, for receipts. Some are words above, some are not.
GOODS = """
apple beans beer bread butter cake candle cheese coffee egg fish honey jam juice lemon milk pasta
pen pizza rice salt soap soup sugar tea water
""".split()
SHOPS = ["cafe", "shop", "market", "store", "bakery"]

# Debian packages: tools/tiny/packages.txt. The first edition knew the first six fonts only.
FONTS = """
truetype/dejavu/DejaVuSans.ttf
truetype/dejavu/DejaVuSans-Bold.ttf
truetype/dejavu/DejaVuSansCondensed-Bold.ttf
truetype/dejavu/DejaVuSerif.ttf
truetype/dejavu/DejaVuSerif-Bold.ttf
truetype/dejavu/DejaVuSansMono-Bold.ttf
truetype/liberation2/LiberationSans-Regular.ttf
truetype/liberation2/LiberationSans-Bold.ttf
truetype/liberation2/LiberationSans-BoldItalic.ttf
truetype/liberation2/LiberationSerif-Regular.ttf
truetype/liberation2/LiberationSerif-BoldItalic.ttf
truetype/liberation2/LiberationMono-Bold.ttf
opentype/comic-neue/ComicNeue-Bold.otf
opentype/comic-neue/ComicNeue-BoldItalic.otf
truetype/quicksand/Quicksand-Bold.ttf
opentype/cantarell/Cantarell-Bold.otf
opentype/cantarell/Cantarell-ExtraBold.otf
truetype/crosextra/Caladea-Regular.ttf
truetype/crosextra/Caladea-Bold.ttf
opentype/courier-prime/Courier Prime Bold.otf
opentype/courier-prime/Courier Prime Sans Bold.otf
truetype/inconsolata/Inconsolata.otf
truetype/open-sans/OpenSans-Bold.ttf
truetype/open-sans/OpenSans-ExtraBold.ttf
truetype/open-sans/OpenSans-BoldItalic.ttf
""".strip().splitlines()
FIRST_EDITION_FONTS = 6
FONT_FOLDER = "/usr/share/fonts/"
EMOJI_FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
EMOJI_FONT_SIZE = 109  # the one bitmap size the font has; glyphs are about 136 x 128 pixels

ORDINALS = ["first", "second", "third"]

POSITIONS = [
    ["top left", "top", "top right"],
    ["left", "middle", "right"],
    ["bottom left", "bottom", "bottom right"],
]
