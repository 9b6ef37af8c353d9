"""Stands in for a shot's process in test_batch.py: does what its first reference says.

ok            writes its outputs
partial       writes them, exit code 4
fail          an error of the input as `exprgen --json` tells it, exit code 3
crash         dies in the middle of its .blend
slow          half a .blend, then waits until its stdin ends
wait          as ok, when the file `go` beside the reference is there
"""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main(words: list[str]) -> int:
    kind = Path(words[1]).read_text().split()[0]
    options = dict(w[2:].split("=", 1) for w in words[2:] if "=" in w)
    out = Path(options["out"])
    print("warning: a line of the log", file=sys.stderr, flush=True)
    out.write_text("half")
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fail":
        error = {"problem": "shows no face", "file": words[1], "fix": "look at it"}
        print(json.dumps({"error": error}))
        return 3
    if kind == "slow":
        time.sleep(0.1)
        sys.stdin.read()
        return 130
    while kind == "wait" and not Path(words[1]).with_name("go").exists():
        time.sleep(0.05)
    out.write_text("whole " + json.dumps(sorted(w for w in words[1:] if "/.exprgen-" not in w)))
    if "render" in options:
        folder = Path(options["render"]) / "ann"
        folder.mkdir(parents=True)
        for i in range(int(options.get("start-frame", 3))):
            (folder / f"{i:06d}.png").write_text(f"picture {i}")
    print("Blender says something on stdout")
    print(json.dumps({"frames": 3, "out": str(out)}))
    return 4 if kind == "partial" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
