"""Clips of many kinds and what the ffmpeg program makes of them: tests/fixtures/video;
tiny ones for the fuzzer: tests/fixtures/fuzz/video.

    python make_video.py            # needs the ffmpeg and ffprobe programs, 5.1

Writes the clips and files.tsv with one line for each frame that the test asks for:

    FILE  FRAMES  FPS  SECONDS  INDEX  TIME  WIDTH  HEIGHT  SHA256

FRAMES, FPS and SECONDS are torchcodec's metadata where it is installed (it is what transformers
samples by), else computed from ffprobe's packets in the same way. TIME is the frame's own time since
the first one. SHA256 is that of the RGB bytes of the ffmpeg program,

    ffmpeg -noautorotate -i FILE -map 0:v:0 -autoscale 0 -sws_flags bicubic+accurate_rnd+bitexact
           -vsync passthrough -f rawvideo -pix_fmt rgb24 -

turned upright afterwards by quarter turns.
"""
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "video"
FLAGS = "bicubic+accurate_rnd+bitexact"
X264 = "-c:v libx264 -preset veryfast -threads 1 -crf 34"
EXACT = "-fflags +bitexact -flags:v +bitexact -map_metadata -1"


def ffmpeg(arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True)


def source(size, rate, seconds, kind="testsrc2"):
    return ["-f", "lavfi", "-i", f"{kind}=size={size}:rate={rate}:duration={seconds}"]


def make(name, size, rate, seconds, codec, more="", kind="testsrc2"):
    ffmpeg([*source(size, rate, seconds, kind), *codec.split(), "-pix_fmt", "yuv420p", *more.split(),
            *EXACT.split(), str(OUT / name)])


def copy(name, origin, *more):
    ffmpeg(["-i", str(OUT / origin), "-c", "copy", *more, *EXACT.split()[:2], str(OUT / name)])


def make_all():
    make("h264.mp4", "96x64", 25, 2.4, X264, "-g 20 -bf 3 -pix_fmt yuv420p")
    make("faststart_2997.mp4", "80x46", "30000/1001", 1.5, X264, "-g 12 -movflags +faststart")
    make("open_gop.mkv", "96x64", 24, 2.5, X264, "-bf 3 -x264-params keyint=15:open-gop=1:scenecut=0")
    make("hevc.mp4", "96x64", 24, 2, "-c:v libx265 -preset veryfast -crf 36",
         "-x265-params keyint=16:pools=none:frame-threads=1:log-level=none -tag:v hvc1")
    for step in "12":  # only the second pass hides frames
        make("vp8_hidden.webm", "96x64", 15, 3, "-c:v libvpx -b:v 60k -auto-alt-ref 1 -lag-in-frames 16 -g 20 -threads 1",
             f"-arnr-maxframes 5 -pass {step} -passlogfile /tmp/ocelli-vp8")
    make("vp9_60.webm", "98x62", 60, 1, "-c:v libvpx-vp9 -b:v 0 -crf 50 -g 24 -threads 1 -row-mt 0")
    make("mpeg4.avi", "96x64", "25/2", 3, "-c:v mpeg4 -q:v 12 -g 10")
    make("mpeg4_b.avi", "96x64", 25, 1.2, "-c:v mpeg4 -q:v 12 -g 10 -bf 2")
    make("av1.mp4", "96x64", 10, 2, "-c:v libaom-av1 -crf 50 -b:v 0 -cpu-used 8 -g 8 -threads 1")
    make("mjpeg.mov", "64x48", 5, 2, "-c:v mjpeg -q:v 12", "-pix_fmt yuvj422p")
    make("mpeg2.ts", "96x64", 25, 1.4, "-c:v mpeg2video -q:v 14 -g 12 -bf 2")
    make("prores.mov", "64x32", 10, 0.5, "-c:v prores -profile:v 0 -qscale:v 24", "-pix_fmt yuv422p10le")
    make("flv1.flv", "96x64", 25, 0.8, "-c:v flv1 -q:v 14 -g 10")
    make("one_a_second.mp4", "64x48", 1, 12, X264, "-g 5")
    make("odd_444.mp4", "72x46", 20, 1, X264, "-vf scale=71:45 -g 8 -pix_fmt yuv444p")
    make("odd_vp9.webm", "72x46", 20, 1, "-c:v libvpx-vp9 -b:v 0 -crf 50 -g 8 -threads 1 -row-mt 0",
         "-vf format=yuv444p,scale=71:45,format=yuv420p")
    make("ten_bit.mp4", "96x64", 24, 1, "-c:v libx265 -preset veryfast -crf 36",
         "-x265-params keyint=12:pools=none:frame-threads=1:log-level=none -tag:v hvc1 -pix_fmt yuv420p10le")
    make("full_range_709.mp4", "96x64", 25, 0.8, X264,
         "-vf scale=out_range=full:out_color_matrix=bt709 -color_range pc -colorspace bt709 -g 10")
    make("fragments.mp4", "96x64", 25, 1.6, X264, "-g 10 -movflags +frag_keyframe+empty_moov")
    make("one_frame.mp4", "96x64", 25, 0.04, X264)
    # Times that follow a square, in milliseconds, with a gap.
    make("variable_rate.mp4", "96x64", 25, 2, X264,
         "-g 10 -bf 2 -vf settb=1/1000,setpts='floor(N*N*1.7+30*N+if(gt(N,25),2500,0))' -vsync passthrough -video_track_timescale 1000")
    make("variable_rate.webm", "64x48", 25, 1.2, "-c:v libvpx-vp9 -b:v 0 -crf 50 -g 8 -threads 1 -row-mt 0",
         "-vf settb=1/1000,setpts='floor(N*N*3+20*N)' -vsync passthrough")
    make("hour.mp4", "64x48", 1, 3600, X264 + " -crf 40 -x264-params keyint=250:bframes=0:scenecut=0",
         "-vf geq=lum='16+mod(floor(N/16)*7+X/16*(mod(N,16)),220)':cb=128:cr=128", "color")
    for turn in (90, 180, 270):
        copy(f"turned_{turn}.mp4", "one_frame.mp4", "-metadata:s:v:0", f"rotate={turn}")
    copy("edit_list.mp4", "h264.mp4", "-ss", "1.3")
    parts = []
    for i, size in enumerate(("96x64", "64x96", "128x48")):
        parts.append(OUT / f"part{i}.h264")
        make(parts[-1].name, size, 25, 0.4, X264, "-g 6 -bf 0")
    joined = OUT / "joined.h264"
    joined.write_bytes(b"".join(p.read_bytes() for p in parts))
    ffmpeg(["-r", "25", "-i", str(joined), "-c", "copy", *EXACT.split()[:2], str(OUT / "sizes_change.mkv")])
    for p in [*parts, joined]:
        p.unlink()


def make_seeds():
    """One tiny clip of each kind for the fuzzer."""
    for name, codec in {
            "h264.mp4": X264 + " -bf 1", "h264.mkv": X264, "h264.ts": X264, "h264.flv": X264,
            "hevc.mp4": "-c:v libx265 -preset ultrafast -crf 45 -x265-params pools=none:frame-threads=1:log-level=none:info=0",
            "vp8.webm": "-c:v libvpx -crf 50 -b:v 20k", "vp9.webm": "-c:v libvpx-vp9 -crf 60 -b:v 0",
            "av1.mp4": "-c:v libaom-av1 -crf 60 -b:v 0 -cpu-used 8", "mpeg4.avi": "-c:v mpeg4 -q:v 25",
            "mpeg2.ts": "-c:v mpeg2video -q:v 25", "mjpeg.avi": "-c:v mjpeg -q:v 25", "mjpeg.mov": "-c:v mjpeg -q:v 25",
            "prores.mov": "-c:v prores -profile:v 0 -qscale:v 31", "flv1.flv": "-c:v flv1 -q:v 25",
            "h263.mov": "-c:v h263 -q:v 25 -s 128x96"}.items():
        more = "-pix_fmt yuv422p10le" if "prores" in name else "-pix_fmt yuvj420p" if "mjpeg" in name else ""
        make("../fuzz/video/" + name, "32x32", 25, 0.16, codec, more)
    for turn in ("90",):
        copy("../fuzz/video/turned.mp4", "../fuzz/video/h264.mp4", "-metadata:s:v:0", f"rotate={turn}")


def probe(path, *what):
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json", *what, str(path)],
                         check=True, capture_output=True).stdout
    return json.loads(out)


def metadata(path, packets, base):
    try:
        from torchcodec.decoders import VideoDecoder
        m = VideoDecoder(str(path), seek_mode="exact").metadata
        return m.num_frames, m.average_fps, m.duration_seconds
    except ImportError:
        print("torchcodec is not installed; computing what it would say", file=sys.stderr)
    num, den = (int(n) for n in base.split("/"))
    shown = [p for p in packets if "D" not in p["flags"]]
    times = [int(p.get("pts", p.get("dts"))) for p in shown]
    end = max(t + int(p.get("duration", 0)) for t, p in zip(times, shown))
    seconds = end * num / den - min(times) * num / den
    return len(shown), len(shown) / seconds, seconds


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    if "--keep" not in sys.argv:
        make_all()
        make_seeds()
    lines = ["# made by tools/reference/make_video.py with " +
             subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout.split(" Copyright")[0]]
    for path in sorted(p for p in OUT.iterdir() if p.suffix in (".mp4", ".mkv", ".webm", ".avi", ".mov", ".ts", ".flv")):
        raw = subprocess.run(["ffmpeg", "-v", "error", "-noautorotate", "-i", str(path), "-map", "0:v:0", "-autoscale",
                              "0", "-sws_flags", FLAGS, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt",
                              "rgb24", "-"], check=True, capture_output=True).stdout
        found = probe(path, "-show_frames", "-show_packets", "-show_streams")
        both = found.get("packets_and_frames", [])
        frames = [f for f in both if f["type"] == "frame"]
        packets = [p for p in both if p["type"] == "packet"]
        base = found["streams"][0]["time_base"]
        num, den = (int(n) for n in base.split("/"))
        count, fps, seconds = metadata(path, packets, base)
        pictures, at = [], 0
        for f in frames:
            w, h = f["width"], f["height"]
            pictures.append(np.frombuffer(raw, np.uint8, w * h * 3, at).reshape(h, w, 3))
            at += w * h * 3
        assert at == len(raw), (path, at, len(raw))
        turns = int(path.stem.split("_")[1]) // 90 if path.stem.startswith("turned_") else 0
        times = [int(f.get("pts", f.get("best_effort_timestamp", 0))) for f in frames]
        print(f"{path.name}: {len(frames)} frames decoded, torchcodec counts {count}", flush=True)
        if count != len(frames):  # torchcodec counts hidden VP8 frames; what is shown is what counts here
            count, fps = len(frames), len(frames) / seconds
        if path.suffix == ".avi":  # has no times of its own
            times, num, den = range(len(frames)), 1, fps
        chosen = range(len(frames)) if len(frames) <= 64 else [i * (len(frames) - 1) // 23 for i in range(24)]
        for i in chosen:
            upright = np.ascontiguousarray(np.rot90(pictures[i], turns))
            time = times[i] * num / den - times[0] * num / den
            lines.append("\t".join([path.name, str(count), repr(fps), repr(seconds), str(i), repr(time),
                                    str(upright.shape[1]), str(upright.shape[0]),
                                    hashlib.sha256(upright.tobytes()).hexdigest()[:16]]))
    (OUT / "files.tsv").write_text("\n".join(lines) + "\n")
    print(sum(p.stat().st_size for p in OUT.iterdir()), "bytes in all")


if __name__ == "__main__":
    main()
