"""Writes tests/fixtures/conversations/cases.json: conversations with tools and thinking, and what transformers makes of
them with a chat template of our own (smollm3_template.py).

    python tools/reference/make_conversations.py

With a folder of models at hand, the same conversations through a model's real template:

    python tools/reference/make_conversations.py --real SHARED/models/SmolLM3-3B/chat_template.jinja \\
        --check build/release/src/text/ocelli_text_test

renders them by transformers into a temporary folder and lets the test compare; nothing of the template stays.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from conversations import all_conversations
from make_templates import NOW, render
from smollm3_template import TEMPLATE

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "conversations" / "cases.json"


def document(template, more):
    """Every conversation rendered with `template`, which stands in the document itself."""
    cases = []
    for name, messages, tools, arguments, add_generation_prompt in all_conversations():
        context = {"messages": messages, "tools": tools, "variables": {**arguments, **more},
                   "add_generation_prompt": add_generation_prompt}  # fmt: skip
        text, spans = render(template, context)
        cases.append({"name": name, **context, "text": text, "spans": spans})
    assert len(cases) >= 50 and len({c["name"] for c in cases}) == len(cases)
    rows = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    head = json.dumps({"now": NOW, "template": template}, ensure_ascii=False)
    return head[:-1] + ', "cases": [\n' + rows + "\n]}\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=pathlib.Path)
    parser.add_argument("--check")
    options = parser.parse_args()
    if not options.real:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(document(TEMPLATE, {"with_date": True}))
        print(f"{len(list(all_conversations()))} conversations, {OUT.stat().st_size} bytes")
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "conversations.json"
            path.write_text(document(options.real.read_text(), {}))
            environment = {**os.environ, "OCELLI_CONVERSATIONS": str(path)}
            subprocess.run([options.check, "--gtest_filter=Conversations.*"], env=environment, check=True)
