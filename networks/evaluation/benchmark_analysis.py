"""How fast a clip is analysed, each stage's share, and that memory does not grow with its length.

Run as `python -m exprgen.networks.evaluation.benchmark_analysis CLIP`. Each run is a process of its
own, so that its peak memory is its own. `--times 10` repeats the clip, without decoding it anew
into another format, and analyses that as well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ..characters.profile import sample_characters

CHILD = """
import json, os, resource, sys, threading, time
from exprgen.networks import pipeline
from exprgen.networks.cores import one_thread_each
from exprgen.networks.footage.media import open_reference, prefetch
from exprgen.networks.tracking.face_tracker import FaceTracker
clip, out, *profiles = sys.argv[1:]
silent, never = lambda message: None, threading.Event()


def alone(look):
    with one_thread_each(), open_reference([clip]) as reader, FaceTracker() as tracker:
        began = time.perf_counter()
        frames = [look(tracker, frame).index for frame in prefetch(reader)]
        return len(frames) / (time.perf_counter() - began)


looks = {"of_tracker": FaceTracker.track, "of_following": FaceTracker.follow}
before = {name: alone(look) for name, look in looks.items()}
start = resource.getrusage(resource.RUSAGE_SELF)
request = pipeline.AnalyseRequest((clip,), out, profiles=tuple(profiles))
done = pipeline.analyse(request, silent, never).to_json()
used = resource.getrusage(resource.RUSAGE_SELF)
for name, look in looks.items():
    done[name] = done["rate"] / (2 / (1 / before[name] + 1 / alone(look)))
done["analysed"] = done["rate"]
began = time.perf_counter()
solving = pipeline.SolveRequest(out, profiles[0], os.path.dirname(out), tuple(profiles[1:]))
pipeline.solve_file(solving, silent, never)
spent = time.perf_counter() - began
done["stages"]["solving"] = spent
done["rate"] = done["frames"] / (done["frames"] / done["rate"] + spent)
done["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
spent = used.ru_utime + used.ru_stime - start.ru_utime - start.ru_stime
done["cpu_ms"] = 1000 * spent / done["frames"]
print(json.dumps(done))
"""

MEDIAPIPE = """
import contextlib, sys, time
import numpy as np
from exprgen.networks.cores import one_thread_each
from exprgen.networks.footage.media import open_reference, prefetch
from exprgen.networks.tracking.face_detector import CLIP_THRESHOLD
from exprgen.networks.tracking.landmarker import open_landmarker
landmarks = open_landmarker(clip=True, faces=1, threshold=CLIP_THRESHOLD, plain=True)
with one_thread_each(), open_reference([sys.argv[1]]) as reader, contextlib.closing(landmarks):
    began = time.perf_counter()
    for count, frame in enumerate(prefetch(reader), 1):
        landmarks.result(np.ascontiguousarray(frame.rgb), round(1000 * frame.time))
    print(count / (time.perf_counter() - began))
"""


def measure(clip: str | Path) -> dict:
    """One analysis with the primary's 3D-CNN, then the RigTracks of the primary and a secondary:
    the fields of pipeline.Analysis and `peak_mb` (MiB), `cpu_ms`, milliseconds of processor time a
    frame of the analysis, loading included, and the analysis's rate as a share of what the tracker
    does alone on the same clip, on the mean of before and after: `of_tracker`, registered faces and
    all that is measured on them included, `of_following` without, `of_mediapipe` decoding and
    MediaPipe's Face Landmarker by its own Python and nothing else. rate: frames a second from
    decoding to RigTracks."""
    profiles = [str(c.path) for c in sample_characters()[:2]]
    before = float(_printed(MEDIAPIPE, clip))
    with tempfile.TemporaryDirectory() as folder:
        done = json.loads(_printed(CHILD, clip, os.path.join(folder, "t.npz"), *profiles))
    alone = 2 / (1 / before + 1 / float(_printed(MEDIAPIPE, clip)))
    return {**done, "of_mediapipe": done["analysed"] / alone}


def _printed(code: str, *words: str | Path) -> str:
    """The last line that a process of its own prints."""
    line = [sys.executable, "-c", code, *map(str, words)]
    run = subprocess.run(line, capture_output=True, text=True, check=True)
    return run.stdout.strip().splitlines()[-1]


def repeat(clip: str | Path, times: int, out: str | Path) -> Path:
    """The clip `times` times in a row, its packets copied as they are; returns `out`."""
    import av

    with av.open(str(out), "w") as target:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                first, end = None, 0
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    first = packet.dts if first is None else first
                    end = max(end, packet.pts + (packet.duration or 1))
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    target.mux(packet)
                shift += end - min(0, first or 0)  # B-frames begin before time zero
    return Path(out)


def main(arguments: list[str] | None = None) -> int:
    """Command line; see module docstring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--times", type=int, default=1, help="also the clip this often in a row")
    options = parser.parse_args(arguments)
    runs = [measure(options.clip) for _ in range(options.repeats)]
    show("clip", runs)
    if options.times > 1:
        with tempfile.TemporaryDirectory() as folder:
            suffix = Path(options.clip).suffix
            long = repeat(options.clip, options.times, Path(folder) / f"long{suffix}")
            show(f"{options.times} times the clip", [measure(long)])
    return 0


def show(what: str, runs: list[dict]) -> None:
    """Medians of several runs."""

    def median(name: str) -> float:
        return statistics.median(run[name] for run in runs)

    frames = runs[0]["frames"]
    print(
        f"{what}: {frames} frames, {median('rate'):.1f} frames/s (median of {len(runs)}), "
        f"{median('of_tracker'):.2f} of the tracker's own rate, "
        f"{median('of_following'):.2f} of it without registering, "
        f"{median('of_mediapipe'):.2f} of MediaPipe alone, "
        f"{median('cpu_ms'):.1f} ms of processor a frame, peak {median('peak_mb'):.0f} MiB"
    )
    total = sum(statistics.median(r["stages"][s] for r in runs) for s in runs[0]["stages"])
    for stage in runs[0]["stages"]:
        seconds = statistics.median(run["stages"][stage] for run in runs)
        print(f"  {stage:10s} {1000 * seconds / frames:6.2f} ms a frame, {seconds / total:4.0%}")


if __name__ == "__main__":
    raise SystemExit(main())
