"""Writes tests/fixtures/models: tiny checkpoints and what transformers computes from them in float32.

    python tools/reference/make_smolvlm.py [name ...] [--seeds N]

For every checkpoint: the folder in Hugging Face layout, `expected.json` (prompts, ids, continuations;
described in README.md) and `expected.safetensors` (features and logits, float32).
"""

import argparse
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor, get_image_prompt_string

import pictures
import tiny_tokenizers
from tiny_models import CLASSES, MODELS, full_config, hub_config, initialize, save_weights

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "models"
NEW_TOKENS = 64
MIN_MARGIN = 0.002  # of the logits' standard deviation, between the best and the second best token
MIN_DISTINCT = 20
MAX_ROWS = 96  # feature rows kept per case

VISION_TEMPLATE = (
    "{#- One opening token, then a line per message. -#}\n"
    "<|im_start|>{%- for message in messages -%}\n"
    "{{- message.role | capitalize -}}\n"
    "{{- ':' if message.content[0].type == 'image' else ': ' -}}\n"
    "{%- for part in message.content -%}\n"
    "{%- if part.type == 'text' -%}{{- part.text -}}{%- elif part.type == 'image' -%}{{- '<image>' -}}{%- endif -%}\n"
    "{%- endfor -%}\n"
    "{{- '<end_of_utterance>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}\n"
)
TEXT_TEMPLATE = (
    "{%- for message in messages -%}\n"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}\n"
)


def user(*parts):
    content = [{"type": "image"} if p is Image else {"type": "text", "text": p} for p in parts]
    return {"role": "user", "content": content}


def says(role, text):
    return {"role": role, "content": [{"type": "text", "text": text}]}


def vision_cases():
    """name, do_image_splitting, messages, pictures (kind, seed, width, height)"""
    return [
        ("text", True, [says("system", "Answer in one word."), says("user", "What is 12 + 34? Is it a number?")], []),
        ("one_split", True, [user(Image, "What is in this picture?")], [("texture", 1, 640, 320)]),
        ("several", True,
         [user("Compare ", Image, " with ", Image, " please."), says("assistant", "They differ."),
          says("user", "How many birds?")],
         [("smooth", 2, 300, 61), ("edges", 3, 40, 170)]),
        ("no_split", False, [user(Image, Image, "Describe both.")], [("texture", 4, 513, 700), ("noise", 5, 31, 9)]),
    ]  # fmt: skip


def text_cases():
    chat = [{"role": "user", "content": "How many birds are there?"}]
    turns = [
        {"role": "system", "content": "You read documents."},
        {"role": "user", "content": "The total is 1,234.56 euros,\n  due in 30 days. Straße, 图片, mañana."},
        {"role": "assistant", "content": "It is due."},
        {"role": "user", "content": "When?"},
    ]
    long = [{"role": "user", "content": " ".join(tiny_tokenizers.CORPUS.split("\n")[:8])}]
    return [("chat", True, chat, []), ("turns", True, turns, []), ("long", True, long, [])]


def write_folder(spec, folder, tokenizer):
    vision = spec.model_type != "llama"
    template = VISION_TEMPLATE if vision else TEXT_TEMPLATE
    inline = template if spec.template_in == "tokenizer_config.json" else None
    tiny_tokenizers.write(tokenizer, spec.family, folder, merges_as_strings=spec.merges_as_strings, chat_template=inline)
    if spec.template_in == "chat_template.jinja":
        (folder / "chat_template.jinja").write_text(template)
    elif spec.template_in == "chat_template.json":
        write_json(folder / "chat_template.json", {"chat_template": template})
    token = tokenizer.token_to_id
    write_json(folder / "config.json", hub_config(spec, tokenizer.get_vocab_size(), token("<image>")))
    eos = token("<end_of_utterance>") if vision else token("<|im_end|>")
    write_json(folder / "generation_config.json",
               {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": eos, "pad_token_id": 2})
    if not vision:
        return
    prefix = "Idefics3" if spec.model_type == "idefics3" else "SmolVLM"
    write_json(folder / "processor_config.json",
               {"image_seq_len": spec.image_seq_len, "processor_class": f"{prefix}Processor"})
    write_json(folder / "preprocessor_config.json", {
        "do_convert_rgb": True, "do_image_splitting": True, "do_normalize": True, "do_pad": True, "do_rescale": True,
        "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_processor_type": f"{prefix}ImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "max_image_size": {"longest_edge": spec.vision["image_size"]},
        "processor_class": f"{prefix}Processor", "resample": 1, "rescale_factor": 0.00392156862745098,
        "size": {"longest_edge": spec.longest_edge},
    })  # fmt: skip


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def load_processor(spec, folder):
    """The processor of the written folder. The tokenizer is exactly tokenizer.json: transformers' GPT2Tokenizer
    would build its own pre-tokenizer and leave out the Digits step."""
    config = json.loads((folder / "tokenizer_config.json").read_text())
    tokens = {k: config[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **tokens)
    template = VISION_TEMPLATE if spec.model_type != "llama" else TEXT_TEMPLATE
    tokenizer.chat_template = template
    if spec.model_type == "llama":
        return None, tokenizer
    idefics = spec.model_type == "idefics3"
    image_class = Idefics3ImageProcessorPil if idefics else SmolVLMImageProcessorPil
    image_processor = image_class.from_pretrained(folder)
    if idefics:
        processor = Idefics3Processor(image_processor, tokenizer, spec.image_seq_len, chat_template=template)
    else:
        video = transformers.SmolVLMVideoProcessor(size={"longest_edge": 512}, max_image_size={"longest_edge": 512})
        processor = SmolVLMProcessor(image_processor, tokenizer, video, spec.image_seq_len, chat_template=template)
    return processor, tokenizer


def runs(ids):
    """[[id, count], ...]"""
    out = []
    for i in ids:
        if out and out[-1][0] == i:
            out[-1][1] += 1
        else:
            out.append([i, 1])
    return out


def prepare(spec, processor, tokenizer, case):
    """The model's inputs and the part of expected.json that does not depend on the weights."""
    name, splitting, messages, specs = case
    chat = processor or tokenizer
    prompt = chat.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    record = {
        "name": name, "do_image_splitting": splitting, "messages": messages, "prompt": prompt,
        "pictures": [dict(zip(("kind", "seed", "width", "height"), p)) for p in specs],
    }  # fmt: skip
    inputs = {}
    if not specs:
        inputs["input_ids"] = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
        expanded = prompt
    else:
        images = [Image.fromarray(pictures.pixels(*p)) for p in specs]
        inputs = dict(processor(text=[prompt], images=[images], do_image_splitting=splitting, return_tensors="pt"))
        split = processor.image_processor(
            [images], do_image_splitting=splitting, return_row_col_info=True, return_tensors="pt")
        record["rows"], record["cols"] = split["rows"][0], split["cols"][0]
        expanded = prompt
        for r, c in zip(record["rows"], record["cols"]):
            image = get_image_prompt_string(r, c, spec.image_seq_len, "<fake_token_around_image>", "\0", "<global-img>")
            expanded = expanded.replace("<image>", image, 1)
        expanded = expanded.replace("\0", "<image>")
        assert tokenizer(expanded).input_ids == inputs["input_ids"][0].tolist()
    ids = inputs["input_ids"][0].tolist()
    record["ids"], record["prompt_tokens"] = runs(ids), len(ids)
    record["expanded"] = expanded.replace("<image>" * spec.image_seq_len, f"<image>{{{spec.image_seq_len}}}") \
        if specs else expanded  # fmt: skip
    keep = ("input_ids", "pixel_values", "pixel_attention_mask")
    return {k: v for k, v in inputs.items() if k in keep}, record


def logit_positions(ids, image_token):
    n = len(ids)
    if n <= 96:
        return list(range(n))
    edges = [i for i in range(1, n) if (ids[i] == image_token) != (ids[i - 1] == image_token)]
    spread = [n * i // 8 for i in range(8)]
    return sorted({0, *spread, *edges[:6], *edges[-6:], *range(n - 8, n)})


@torch.no_grad()
def greedy(model, inputs):
    """Continuation with the cache, end tokens ignored: ids, and the logits that chose them [64, V]."""
    out = model(**inputs, use_cache=True)
    tokens, rows, positions = [], [], out.logits[0]
    for _ in range(NEW_TOKENS):
        rows.append(out.logits[0, -1])
        tokens.append(int(rows[-1].argmax()))
        out = model(input_ids=torch.tensor([[tokens[-1]]]), past_key_values=out.past_key_values, use_cache=True)
    return tokens, torch.stack(rows), positions


def margins(rows):
    top = rows.topk(2).values
    return (top[:, 0] - top[:, 1]) / rows.std(dim=1)


def good(tokens, rows, special_ids):
    distinct = len(set(tokens))
    return distinct >= MIN_DISTINCT and float(margins(rows).min()) >= MIN_MARGIN and not set(tokens) & set(special_ids)


@torch.no_grad()
def visual(model, inputs):
    """The vision tower's last state [tiles, N, Dv] and the connector's output [tiles, n, T]."""
    pixels = inputs["pixel_values"][0]
    states = model.model.vision_model(pixel_values=pixels).last_hidden_state
    features = model.model.connector(states)
    through = model.model.get_image_features(inputs["pixel_values"], inputs["pixel_attention_mask"]).pooler_output
    assert torch.allclose(features, torch.cat(list(through)).view_as(features), atol=1e-5)
    return states, features


def sample_rows(tensor):
    """Up to MAX_ROWS rows of [tiles, n, D] as [rows, D], and their indices in the flattened order."""
    flat = tensor.flatten(0, 1)
    count = min(MAX_ROWS, len(flat))
    index = sorted({(len(flat) - 1) * i // max(count - 1, 1) for i in range(count)})
    return flat[index].contiguous(), index


def record_case(model, spec, inputs, record, image_token):
    tokens, rows, logits = greedy(model, inputs)
    ids = inputs["input_ids"][0].tolist()
    positions = logit_positions(ids, image_token)
    tensors = {"logits": logits[positions], "greedy_logits": rows[[0, 1, 31, 63]]}
    record |= {
        "logit_positions": positions, "logits_std": float(logits[positions].std(dim=1).mean()),
        "greedy": tokens, "distinct": len(set(tokens)), "margins": [round(float(m), 6) for m in margins(rows)],
        "greedy_logit_steps": [0, 1, 31, 63],
    }  # fmt: skip
    if "pixel_values" in inputs:
        states, features = visual(model, inputs)
        record["tiles"], record["features_std"] = len(states), float(features.std())
        tensors["states"], record["state_rows"] = sample_rows(states)
        tensors["features"], record["feature_rows"] = sample_rows(features)
    return {f"{record['name']}.{k}": v.contiguous() for k, v in tensors.items()}, record


def search_seed(spec, model, prepared, special_ids, seeds):
    hardest_first = sorted((inputs for inputs, _ in prepared), key=lambda i: -i["input_ids"].numel())
    for seed in range(seeds):
        initialize(model, spec, seed, special_ids)
        if all(good(*greedy(model, inputs)[:2], special_ids) for inputs in hardest_first):
            return seed
    raise SystemExit(f"{spec.name}: none of {seeds} seeds gives usable continuations")


def load_written(spec, folder, config):
    """The model as transformers loads it from the written folder (omitted keys supplied)."""
    return CLASSES[spec.model_type][1].from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager").eval()  # fmt: skip


def make(spec, seeds):
    folder = FIXTURES / spec.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizers.train(spec.family)
    write_folder(spec, folder, tokenizer)
    processor, fast = load_processor(spec, folder)
    cases = vision_cases() if processor else text_cases()
    prepared = [prepare(spec, processor, fast, case) for case in cases]

    image_token = tokenizer.token_to_id("<image>")
    config = full_config(spec, tokenizer.get_vocab_size(), image_token)
    special_ids = [t["id"] for t in json.loads(tokenizer.to_str())["added_tokens"]]
    model = CLASSES[spec.model_type][1]._from_config(config, attn_implementation="eager").eval()
    seed = search_seed(spec, model, prepared, special_ids, seeds)
    save_weights(model, spec, folder)
    model = load_written(spec, folder, config)

    tensors, records = {}, []
    for inputs, record in prepared:
        found, record = record_case(model, spec, inputs, record, image_token)
        tensors |= found
        records.append(record)
    save_file(tensors, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "seed": seed, "image_token_id": image_token, "image_seq_len": spec.image_seq_len if processor else None,
        "tokens": tokenizer.get_vocab_size(), "cases": records,
    })  # fmt: skip
    report(spec, model, prepared, tensors, records)


@torch.no_grad()
def report(spec, model, prepared, tensors, records):
    """What the fixture is worth: spread, margins, and the reference's own rounding error against float64."""
    print(f"{spec.name}: {sum(p.numel() for p in model.parameters())} parameters")
    model.double()
    for inputs, r in zip([p[0] for p in prepared], records):
        wide = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
        exact = model(**wide).logits[0][r["logit_positions"]]
        error = (tensors[f"{r['name']}.logits"] - exact).abs().max() / r["logits_std"]
        print(f"  {r['name']:10} {r['prompt_tokens']:5} tokens {r.get('tiles', 0):3} tiles  std {r['logits_std']:.2f}"
              f"  distinct {r['distinct']}  least margin {min(r['margins']):.4f} std  float32 error {error:.1e} std")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation
    for model_spec in MODELS:
        if not options.names or model_spec.name in options.names:
            make(model_spec, options.seeds)
