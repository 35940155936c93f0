"""Loads what this program writes of adapters in transformers and PEFT, and compares logits.

    python tools/reference/check_adapters.py build/release

ocelli_parity_test reads each adapter of tests/fixtures/adapters, saves it again and merges it into its model; both
must give the logits that PEFT had with the adapter it wrote itself.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import PeftModel
from safetensors.torch import load_file

import make_adapters
from tiny_models import CLASSES, MODELS, full_config

TOLERANCE = 1e-4  # of the logits' spread


@torch.no_grad()
def worst(model, inputs, folder):
    expected = json.loads((folder / "expected.json").read_text())
    tensors = load_file(folder / "expected.safetensors")
    differences = []
    for case in expected["cases"]:
        rows = model(**inputs[case["name"]]).logits[0][case["logit_positions"]]
        difference = (rows - tensors[f"{case['name']}.logits"]).abs().max() / case["logits_std"]
        differences.append(float(difference))
    return max(differences)


def load_merged(base, folder):
    spec = next(m for m in MODELS if m.name == base)
    written = json.loads((folder / "config.json").read_text())
    vocab = written.get("vocab_size") or written["text_config"]["vocab_size"]
    config = full_config(spec, vocab, written.get("image_token_id"))
    tied = written["tie_word_embeddings"]
    config.tie_word_embeddings = tied
    if hasattr(config, "text_config"):
        config.text_config.tie_word_embeddings = tied
    model, loading = CLASSES[spec.model_type][1].from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)  # fmt: skip
    missing = set(loading["missing_keys"]) - ({"lm_head.weight"} if tied else set())
    assert not missing and not loading["unexpected_keys"], loading
    return model.eval()


def main(build):
    failed = False
    with tempfile.TemporaryDirectory() as keep:
        program = pathlib.Path(build).resolve() / "tests" / "ocelli_parity_test"
        subprocess.run([program, "--gtest_filter=*Adapters.AreTheSame*:*Adapters.Merge*", "--gtest_brief=1"],
                       env={**os.environ, "OCELLI_KEEP_ADAPTERS": keep}, check=True)  # fmt: skip
        for name, (base, *_) in make_adapters.SPECS.items():
            expected = make_adapters.ADAPTERS / name
            model, inputs, _ = make_adapters.load_base(base)
            saved = worst(PeftModel.from_pretrained(model, f"{keep}/{name}.saved").eval(), inputs, expected)
            merged = worst(load_merged(base, pathlib.Path(keep) / f"{name}.merged"), inputs, expected)
            good = max(saved, merged) <= TOLERANCE
            failed |= not good
            print(f"{name:16} saved {saved:.1e}  merged {merged:.1e} of the spread  {'' if good else 'DIFFERS'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1] if len(sys.argv) > 1 else "build/release")
