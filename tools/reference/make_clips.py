"""What transformers makes of clips whose frames are formula pictures: tests/fixtures/processor/clips.json.

    python tools/reference/make_clips.py

Frame i of a clip is pictures.pixels(kind, seed + i, width, height). The clip's metadata (frames, rate,
length) go into SmolVLMVideoProcessor with do_sample_frames=True, as decoded files do. For each clip: the
indices of the frames, SHA-256 of their pixels as uint8 [frames, tile, tile, 3] after resizing and as
float32 [frames, 3, tile, tile] at the end, and the text that replaces <video>, in which a run of image
tokens is written once. `samples`: indices and the text's hash alone, for more lengths and rates.
"""

import hashlib
import json
import os
import pathlib
import types

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import torchvision
import transformers
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor
from transformers.video_utils import VideoMetadata

import pictures

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "processor" / "clips.json"
SMALL = {"size": 2048, "max_image_size": 512}
LARGE = {"size": 1536, "max_image_size": 384}
TINY = {"size": 192, "max_image_size": 96}
# kind, seed, width, height, frames, fps, seconds (None: frames / fps), sizes, resample, further arguments
CLIPS = [
    ("texture", 1, 64, 48, 9, 1.0, None, SMALL, 1, {}),
    ("smooth", 2, 320, 180, 75, 25.0, None, SMALL, 1, {}),
    ("noise", 3, 48, 64, 60, 29.97002997002997, None, LARGE, 1, {}),
    ("edges", 4, 641, 361, 30, 30.0, None, SMALL, 1, {}),
    ("texture", 5, 1, 1, 1, 25.0, None, SMALL, 1, {}),
    ("noise", 6, 1080, 1920, 2, 2.0, None, LARGE, 1, {}),
    ("texture", 7, 130, 70, 2000, 15.0, None, TINY, 1, {}),
    ("smooth", 8, 77, 131, 300, 59.94005994005994, None, TINY, 1, {}),
    ("texture", 9, 40, 30, 3600, 1.0, None, TINY, 1, {}),
    ("edges", 10, 99, 35, 50, 6.188118811881188, 8.08, TINY, 1, {}),
    ("texture", 11, 200, 120, 240, 24.0, None, TINY, 3, {"num_frames": 7}),
    ("noise", 12, 120, 200, 240, 24.0, None, TINY, 2, {"fps": 3.5, "num_frames": 20}),
]  # fmt: skip


def processor(sizes, resample):
    size = {"longest_edge": sizes["size"]}
    return SmolVLMVideoProcessor(
        size=size, max_image_size={"longest_edge": sizes["max_image_size"]}, resample=resample, do_resize=True,
        do_rescale=True, rescale_factor=0.00392156862745098, do_normalize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        do_pad=True, video_sampling={"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 512}},
    )  # fmt: skip


def prompt(indices, metadata):
    metadata.frames_indices = indices
    fake = types.SimpleNamespace(image_seq_len=1, image_token="<image>", fake_image_token="<fake_token_around_image>",
                                 global_image_token="<global-img>")
    inputs = {"pixel_values": np.zeros((1, len(indices))), "video_metadata": [metadata]}
    return SmolVLMProcessor.replace_video_token(fake, inputs, 0)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def metadata_of(frames, fps, seconds):
    return VideoMetadata(total_num_frames=frames, fps=fps, duration=frames / fps if seconds is None else seconds)


def clip(kind, seed, width, height, frames, fps, seconds, sizes, resample, more):
    run = processor(sizes, resample)
    meta = metadata_of(frames, fps, seconds)
    indices = [int(i) for i in run.sample_frames(meta, **more)]
    shown = np.stack([pictures.pixels(kind, seed + i, width, height) for i in indices])
    tensor = torch.from_numpy(shown).permute(0, 3, 1, 2).contiguous()
    size = transformers.image_utils.SizeDict(longest_edge=sizes["size"])
    resized = run.resize(tensor, size, resample=resample).permute(0, 2, 3, 1).numpy()
    out = run([tensor], video_metadata=[meta], do_sample_frames=False, return_tensors="pt")["pixel_values"]
    assert resized.dtype == np.uint8 and out.dtype == torch.float32 and out.shape[1] == len(indices)
    return {"kind": kind, "seed": seed, "width": width, "height": height, "frames": frames, "fps": fps,
            "seconds": meta.duration, "size": sizes["size"], "tile": sizes["max_image_size"], "resample": resample,
            "wanted": more, "indices": indices, "text": prompt(indices, meta), "frames_sha256": sha(resized),
            "pixels_sha256": sha(out[0].numpy())}  # fmt: skip


def samples():
    run = processor(SMALL, 1)
    rng = np.random.default_rng(5)
    for i in range(300):
        fps = float(rng.choice([0.5, 1, 5, 10, 12.5, 23.976023976023978, 24, 25, 29.97002997002997, 30, 50, 60,
                                rng.uniform(0.1, 90)]))
        seconds = float(rng.choice([rng.uniform(0, 4), rng.uniform(0, 90), rng.uniform(0, 3600), rng.integers(1, 130) / 2]))
        frames = max(1, round(fps * seconds))
        if i % 3:  # else the length is not that of the frames
            seconds = frames / fps
        more = {}
        if i % 4 == 1:
            more["num_frames"] = int(rng.integers(1, 65))
        if i % 5 == 2:
            more["fps"] = float(rng.choice([0.25, 0.5, 2, rng.uniform(0.01, 8)]))
        meta = metadata_of(frames, fps, seconds)
        indices = [int(i) for i in run.sample_frames(meta, **more)]
        yield {"frames": frames, "fps": fps, "seconds": seconds, "wanted": more, "indices": indices,
               "text_sha256": hashlib.sha256(prompt(indices, meta).encode()).hexdigest()[:16]}


def logits():
    """Ids and logits of a conversation about a clip: clip.json and clip.safetensors beside a tiny checkpoint."""
    from safetensors.torch import save_file

    import make_smolvlm
    import tiny_models
    from make_smolvlm import load_processor, load_written, logit_positions, runs, write_json

    spec = next(s for s in tiny_models.MODELS if s.name == "smolvlm2-a")
    folder = make_smolvlm.FIXTURES / spec.name
    run, tokenizer = load_processor(spec, folder)
    run.video_processor = SmolVLMVideoProcessor.from_pretrained(folder)
    meta = metadata_of(30, 6.0, None)
    indices = [int(i) for i in run.video_processor.sample_frames(meta, num_frames=64, fps=1)]
    meta.frames_indices = indices
    kind, seed, width, height = "texture", 21, 64, 48
    shown = np.stack([pictures.pixels(kind, seed + i, width, height) for i in indices])
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What happens in the clip?"}]}]
    prompt = run.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, num_frames=64, fps=1)
    inputs = dict(run(text=[prompt], videos=[torch.from_numpy(shown).permute(0, 3, 1, 2)], video_metadata=[meta],
                      do_sample_frames=False, return_tensors="pt"))
    ids = inputs["input_ids"][0].tolist()
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    vocabulary = json.loads((folder / "config.json").read_text())["text_config"]["vocab_size"]
    config = tiny_models.full_config(spec, vocabulary, image_token)
    model = load_written(spec, folder, config)
    keep = ("input_ids", "pixel_values", "pixel_attention_mask")
    with torch.no_grad():
        out = model(**{k: v for k, v in inputs.items() if k in keep}).logits[0]
    positions = logit_positions(ids, image_token)
    save_file({"clip.logits": out[positions].contiguous()}, folder / "clip.safetensors")
    write_json(folder / "clip.json", {
        "name": "clip", "kind": kind, "seed": seed, "width": width, "height": height, "frames": 30, "fps": 6.0,
        "seconds": meta.duration, "indices": indices, "messages": messages, "prompt": prompt, "ids": runs(ids),
        "logit_positions": positions, "logits_std": float(out[positions].std(dim=1).mean()),
    })  # fmt: skip
    print(folder / "clip.json", len(ids), "tokens", len(positions), "positions")


def main():
    json.dump({"made_with": {"transformers": transformers.__version__, "torchvision": torchvision.__version__,
                             "torch": torch.__version__},
               "clips": [clip(*arguments) for arguments in CLIPS], "samples": list(samples())},
              OUT.open("w"), separators=(",", ":"))
    print(OUT, OUT.stat().st_size, "bytes")
    logits()


if __name__ == "__main__":
    main()
