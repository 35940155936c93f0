"""Writes tests/fixtures/processor/files.json: what transformers' PIL processor makes of picture files.

    python tools/reference/make_processor_files.py

For a few files of tests/fixtures/media, one of each kind that is not plain 8-bit RGB: the file, and one case as in
expected.json (see make_processor.py, whose configurations these are). The picture goes in as transformers' load_image
gives it.
"""

import json
import pathlib

from transformers.image_utils import load_image

import make_processor

MEDIA = make_processor.OUT.parents[1] / "media"
FILES = [
    "cmyk_progressive.jpg", "exif_6.jpg", "grey16.png", "palette_trns.png", "rgb16_interlaced.png", "la8.png",
    "lossy_alpha.webp", "exif_5.webp", "interlaced.gif", "inside_transparent.gif", "animated.gif", "palette_trns_one.png", "rle8.bmp",
    "rgb565.bmp", "bgra.bmp", "jpeg_ycc.tiff", "jpeg_cmyk.tiff", "grey16_big.tiff", "float32.tiff",
    "rgba_premultiplied.tiff", "tiles_bits.tiff", "exif_6.tiff",
]  # fmt: skip


def main():
    records = []
    for number, file in enumerate(FILES):
        config = list(make_processor.CONFIGS)[number % 2]
        image = load_image(str(MEDIA / file))
        records.append({"file": file, "case": make_processor.case(image, config, number % 4 < 3, False)})
        print(file, flush=True)
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in records)
    (make_processor.OUT.parent / "files.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
