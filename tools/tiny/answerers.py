"""Who answers questions about files: transformers, or the built program."""

import collections
import json
import os
import subprocess
import sys

FRAME_FLAGS = "bicubic+accurate_rnd+bitexact"  # docs/formats.md, Video
MAX_NEW_TOKENS = 64


def is_clip(file):
    return file.endswith(".avi")


def clip_frames(file):
    """uint8 (frames, 3, height, width), as the ffmpeg program decodes them."""
    import numpy as np
    import torch

    size = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height",
         "-of", "csv=p=0", file], check=True, capture_output=True, text=True).stdout  # fmt: skip
    width, height = map(int, size.strip().split(","))
    raw = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", file, "-autoscale", "0", "-sws_flags", FRAME_FLAGS,
         "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        check=True, capture_output=True).stdout  # fmt: skip
    frames = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2)


class Reference:
    """The model in transformers, float32, with the real processors (Pillow, torchvision). All
    frames of a clip are seen: ours have one a second.
    """

    def __init__(self, folder, threads=1):
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch
        from transformers import AutoTokenizer, SmolVLMForConditionalGeneration, SmolVLMProcessor
        from transformers.models.smolvlm.image_processing_pil_smolvlm import (
            SmolVLMImageProcessorPil,
        )
        from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

        torch.set_num_threads(threads)
        self.torch = torch
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        with open(os.path.join(folder, "processor_config.json"), encoding="utf-8") as file:
            tokens = json.load(file)["image_seq_len"]
        with open(os.path.join(folder, "chat_template.jinja"), encoding="utf-8") as file:
            template = file.read()
        self.processor = SmolVLMProcessor(
            SmolVLMImageProcessorPil.from_pretrained(folder),
            self.tokenizer,
            SmolVLMVideoProcessor.from_pretrained(folder),
            image_seq_len=tokens,
            chat_template=template,
        )
        self.model = SmolVLMForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32
        ).eval()

    def inputs(self, files, question):
        """The model's inputs for a first turn: the files, then the question."""
        from PIL import Image
        from transformers.video_utils import VideoMetadata

        media = [{"type": "video" if is_clip(file) else "image"} for file in files]
        turn = [{"role": "user", "content": media + [{"type": "text", "text": question}]}]
        prompt = self.processor.apply_chat_template(
            turn, add_generation_prompt=True, tokenize=False
        )
        if not is_clip(files[0]):
            pictures = [Image.open(file) for file in files]
            return dict(self.processor(text=[prompt], images=[pictures], return_tensors="pt"))
        clip = clip_frames(files[0])
        count = len(clip)
        metadata = VideoMetadata(total_num_frames=count, fps=1.0, duration=float(count))
        metadata.frames_indices = list(range(count))
        out = self.processor(text=[prompt], videos=[clip], video_metadata=[metadata],
                             do_sample_frames=False, return_tensors="pt")  # fmt: skip
        return {key: out[key] for key in out if key != "video_metadata"}

    def generate(self, inputs, tokens=MAX_NEW_TOKENS):
        with self.torch.inference_mode():
            out = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        return out[0, inputs["input_ids"].shape[1] :].tolist()

    def answer(self, files, question):
        ids = self.generate(self.inputs(files, question))
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def answer_all(self, cases):
        """cases: (files, question); answers in the same order."""
        return [self.answer(files, question) for files, question in cases]


class Program:
    """The built program: `ocelli run`. Questions about one file each are grouped, so that one
    process answers many.
    """

    def __init__(self, program, model=None, extra=()):
        self.command = [program, "run"] + (["-m", model] if model else [])
        self.extra = ["--max-tokens", str(MAX_NEW_TOKENS), *extra]

    def run(self, arguments):
        command = self.command + arguments + self.extra
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def answer_all(self, cases):
        answers, groups = {}, collections.defaultdict(list)
        for files, question in cases:
            if len(files) == 1 and not is_clip(files[0]):
                groups[question].append(files[0])
            elif (tuple(files), question) not in answers:
                out = self.run([*files, "-p", question, "--json"])
                answers[tuple(files), question] = json.loads(out)["answer"].strip()
        for question, files in groups.items():
            for line in self.run([*dict.fromkeys(files), "-p", question, "--jsonl"]).splitlines():
                row = json.loads(line)
                if "answer" in row:
                    answers[(row["files"][0],), question] = row["answer"].strip()
        return [answers.get((tuple(files), question), "") for files, question in cases]
