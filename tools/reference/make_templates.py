"""Writes tests/fixtures/jinja/cases.json: our feature templates as transformers renders them.

    python tools/reference/make_templates.py

Spans of {% generation %} blocks are written in bytes of the UTF-8 text. Templates that fail have
"error": true instead of a text.
"""

import datetime
import json
import pathlib
import warnings

from template_cases import CONTEXTS, all_cases
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import render_jinja_template

NOW = 1767355200  # 2026-01-02 12:00 UTC: the second of January in every time zone but the eastmost
OUT = pathlib.Path(__file__).parents[2] / "tests" / "fixtures" / "jinja" / "cases.json"


class FrozenClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2, 12, 0, 0)


def render(template, context):
    """(text, spans in bytes); raises what the template raises."""
    chat_template_utils.datetime = FrozenClock
    rendered, spans = render_jinja_template(
        conversations=[context["messages"]],
        chat_template=template,
        tools=context.get("tools"),
        documents=context.get("documents"),
        add_generation_prompt=context.get("add_generation_prompt", False),
        return_assistant_tokens_mask=True,
        **context.get("variables", {}),
    )
    text = rendered[0]

    def to_bytes(at):
        return len(text[:at].encode())

    # A span inside a captured block may lie beyond the text; then bytes and characters agree.
    return text, [[to_bytes(a), to_bytes(a) + len(text[a:b].encode())] for a, b in spans[0]]


def main():
    warnings.simplefilter("ignore")
    cases = []
    for group, context, template in all_cases():
        case = {"group": group, "context": context, "template": template}
        try:
            text, spans = render(template, CONTEXTS[context])
            text.encode()
            case["text"] = text
            if spans:
                case["spans"] = spans
        except Exception:
            case["error"] = True
        if " at 0x" in case.get("text", ""):
            print(f"left out, prints an address: {template!r}")
            continue
        cases.append(case)
    document = {"now": NOW, "contexts": CONTEXTS}
    rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    OUT.write_text(json.dumps(document, ensure_ascii=False)[:-1] + ', "cases": [\n' + rows + "\n]}\n")
    errors = sum("error" in case for case in cases)
    print(f"{len(cases)} cases ({errors} errors), {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
