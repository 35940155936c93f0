#!/usr/bin/env python3
"""LoRA steps with transformers and PEFT on the CPU: the other side of train.py.

    python train_peer.py --model CHECKPOINT --data ROWS.jsonl --steps 3 --rank 8 --threads 2
                         [--freeze-vision] [--adapter OUT]

Prints one line of JSON a step, then one with the peak memory. float32 throughout, eager or SDPA
attention as transformers chooses, AdamW, loss over the answers' tokens alone, one row a step.
Needs torch, torchvision, transformers and peft (train-requirements.txt).
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="JSONL of messages and images")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--freeze-vision", action="store_true",
                        help="adapters in the text model alone")
    parser.add_argument("--no-splitting", action="store_true", help="one tile a picture")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    return parser.parse_args()


def rows(path):
    from PIL import Image
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            folder = os.path.dirname(os.path.abspath(path))
            pictures = [Image.open(os.path.join(folder, name)).convert("RGB")
                        for name in row["images"]]
            yield row["messages"], pictures


def batch_of(processor, messages, pictures, splitting):
    """Inputs of one row, with labels for the last answer and its end."""
    def encode(turns, prompt):
        text = processor.apply_chat_template(turns, add_generation_prompt=prompt)
        return processor(text=text, images=[pictures], return_tensors="pt",
                         do_image_splitting=splitting)
    whole, question = encode(messages, False), encode(messages[:-1], True)
    labels = whole["input_ids"].clone()
    labels[:, :question["input_ids"].shape[1]] = -100
    # The answer ends with this token; the template's newline behind it is nothing to learn.
    end = processor.tokenizer.convert_tokens_to_ids("<end_of_utterance>")
    labels[:, (whole["input_ids"][0] == end).nonzero()[-1].item() + 1:] = -100
    return {**whole, "labels": labels}


def main():
    options = arguments()
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    processor = AutoProcessor.from_pretrained(options.model)
    model = AutoModelForImageTextToText.from_pretrained(options.model, dtype=torch.float32)
    names = "down_proj|o_proj|k_proj|q_proj|gate_proj|up_proj|v_proj"
    scope = r".*text_model.*\." if options.freeze_vision else r".*\."
    model = get_peft_model(model, LoraConfig(r=options.rank, lora_alpha=options.rank,
                                             target_modules=f"{scope}({names})"))
    if options.checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, weight_decay=0.0)
    samples = [batch_of(processor, *row, not options.no_splitting)
               for row in rows(options.data)]
    for step in range(options.steps):
        batch = samples[step % len(samples)]
        start = time.perf_counter()
        used = time.process_time()
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        print(json.dumps({"step": step + 1, "loss": loss.item(),
                          "seconds": time.perf_counter() - start,
                          "cpu_seconds": time.process_time() - used,
                          "tokens": batch["input_ids"].shape[1],
                          "tiles": batch["pixel_values"].shape[1]}), flush=True)
    print(json.dumps({"trainable": sum(p.numel() for p in trained),
                      "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
