"""Writes a model with the mean of the weights of models of one shape.

    python tools/tiny/average.py OUT FIRST SECOND ...

Between two models of which one was trained on from the other, the mean is about as good as the
better one, and small changes of its weights matter less: see docs/ocelli-tiny.md.
"""

import os
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file

NAME = "model.safetensors"


def main():
    out, folders = sys.argv[1], sys.argv[2:]
    models = [load_file(os.path.join(folder, NAME)) for folder in folders]
    mean = {
        name: (sum(model[name].float() for model in models) / len(models)).to(torch.bfloat16)
        for name in models[0]
    }
    shutil.copytree(folders[-1], out, dirs_exist_ok=True)
    save_file(mean, os.path.join(out, NAME), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
