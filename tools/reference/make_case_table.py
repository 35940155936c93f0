"""Writes src/text/jinja_case_table.cpp: characters whose upper or title case is several characters.

    python tools/reference/make_case_table.py > src/text/jinja_case_table.cpp
"""

HEAD = """// Made by tools/reference/make_case_table.py; do not edit.
//
// Characters whose upper or title case is more than one character (Unicode's SpecialCasing.txt,
// unconditional rows), in order.
#include "text/jinja_case_table.h"

namespace ocelli::text::jinja {

const SpecialCase kSpecialCases[] = {
"""


def row(code):
    def cells(text):
        codes = [ord(c) for c in text] + [0, 0]
        return "{" + ", ".join(f"0x{c:X}" for c in codes[:3]) + "}"

    return f"    {{0x{code:X}, {cells(chr(code).upper())}, {cells(chr(code).title())}}},\n"


def main():
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    special = [c for c in codes if len(chr(c).upper()) > 1 or len(chr(c).title()) > 1]
    print(HEAD + "".join(map(row, special)) + "};", end="\n\n")
    print("const size_t kSpecialCaseCount = sizeof(kSpecialCases) / sizeof(kSpecialCases[0]);")
    print("\n}  // namespace ocelli::text::jinja")


if __name__ == "__main__":
    main()
