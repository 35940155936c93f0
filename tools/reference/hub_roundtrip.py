"""The Hub's cache folder, written by huggingface_hub and read by ocelli, and the other way round.

    python tools/reference/hub_roundtrip.py build/release

Both download the same model from the local server of the tests (ocelli_hub_server). Nothing else is
asked. Exits with 1 at the first difference.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/release").resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="hub-roundtrip-"))
NAME = "org/tiny"

shutil.copytree(SOURCE / "tests/fixtures/models/smolvlm2-a", WORK / "served" / NAME)
# What neither the engine nor a plain download needs, and a folder.
(WORK / "served" / NAME / "pytorch_model.bin").write_bytes(b"pickled")
(WORK / "served" / NAME / "extra").mkdir()
(WORK / "served" / NAME / "extra/notes.txt").write_text("notes\n")

server = subprocess.Popen([BUILD / "tests/hub/ocelli_hub_server", WORK / "served"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
url = server.stdout.readline().strip()
os.environ.update(HF_ENDPOINT=url, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_TELEMETRY="1",
                  HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1", HF_HOME=str(WORK / "home"),
                  OCELLI_HOME=str(WORK / "ocelli"))

import huggingface_hub  # noqa: E402  (reads the environment when imported)


def ocelli(cache, *words, status=0, **environment):
    done = subprocess.run([BUILD / "bin/ocelli", *words], capture_output=True, text=True,
                          env={**os.environ, "HF_HUB_CACHE": str(cache), **environment})
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout


def tree(cache):
    """Path -> link or content of all that makes up the repository."""
    root = cache / "models--org--tiny"
    out = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith("trees") or path.is_dir():
            continue
        out[name] = os.readlink(path) if path.is_symlink() else path.read_bytes()
    return out


def same(a, b, what):
    assert a == b, f"{what}: {sorted(set(a) ^ set(b))}"
    print(f"{what}: equal ({len(a)} entries)")


try:
    theirs, ours = WORK / "theirs", WORK / "ours"
    kept = ["*.json", "*.jinja", "*.safetensors"]
    huggingface_hub.snapshot_download(NAME, cache_dir=theirs, allow_patterns=kept)
    ocelli(ours, "pull", NAME, "--quiet", "--include", "*.json", "--include", "*.jinja",
           "--include", "*.safetensors")
    same(tree(theirs), tree(ours), "the two caches")

    # Theirs, read by us, offline.
    assert f"{NAME}\t" in ocelli(theirs, "list")
    assert "no problem" in ocelli(theirs, "verify")
    ocelli(theirs, "run", NAME, "Hello", "-n", "2", HF_ENDPOINT="http://127.0.0.1:1")
    before = tree(theirs)
    ocelli(theirs, "pull", NAME, "--quiet", "--include", "*.json", "--include", "*.safetensors")
    same(before, tree(theirs), "their cache after our pull")
    ocelli(theirs, "pull", NAME, "--quiet", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:1")

    # Ours, read by them, offline.
    folder = huggingface_hub.snapshot_download(NAME, cache_dir=ours, local_files_only=True)
    path = huggingface_hub.hf_hub_download(NAME, "model.safetensors", cache_dir=ours,
                                           local_files_only=True)
    assert pathlib.Path(path).parent == pathlib.Path(folder)
    report = huggingface_hub.scan_cache_dir(ours)
    assert not report.warnings, report.warnings
    assert [r.repo_id for r in report.repos] == [NAME]
    import transformers
    config = transformers.AutoConfig.from_pretrained(NAME, cache_dir=ours, local_files_only=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(NAME, cache_dir=ours,
                                                           local_files_only=True)
    print(f"transformers {transformers.__version__} reads ours: {config.model_type}, "
          f"{len(tokenizer)} tokens")

    # They go on with what we began, and the other way round.
    before = tree(ours)
    huggingface_hub.snapshot_download(NAME, cache_dir=ours)
    after = tree(ours)
    assert before.items() <= after.items() and any("pytorch_model.bin" in k for k in after)
    (ours / "models--org--tiny/blobs" / (os.path.basename(os.readlink(path)) + ".1a2b3c4d.incomplete")
     ).write_bytes(b"a download of theirs that was cut short")
    ocelli(ours, "pull", NAME, "--quiet")
    assert ocelli(ours, "verify", status=3).count("not finished") == 1

    # Removed by us: nothing is left that they would find.
    ocelli(ours, "rm", NAME, "--yes")
    assert not huggingface_hub.scan_cache_dir(ours).repos
    print(f"huggingface_hub {huggingface_hub.__version__} and ocelli share one cache")
finally:
    server.stdin.close()
    server.wait()
    shutil.rmtree(WORK)
