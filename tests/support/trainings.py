"""Small drawn stand-ins for the databases, in the formats of the real ones."""

import json
import signal

import cv2
import numpy as np

from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import EXIT_INTERRUPTED, EXIT_OK
from exprgen.networks.track import save_arrays
from exprgen.networks.training.shared import loop
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.training.shared.prepared import FOLDER
from exprgen.networks.training.shared.sets import CED_KIND, SEEN_KIND
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS


def write_profile(folder, name="doll", channels=None):
    """A character with a few controls: two sides, a middle one that leans, two without a side."""
    channels = channels or {
        "smile_L": ("smile_R", {"mouthSmileLeft": 1.0, "mouthFrownLeft": -1.0}),
        "smile_R": ("smile_L", {"mouthSmileRight": 1.0, "mouthFrownRight": -1.0}),
        "jaw": ("", {"jawOpen": 1.0}),
        "jaw_side": ("", {"jawLeft": 1.0, "jawRight": -1.0}),
        "brow": ("", {"browInnerUp": 1.0}),
    }
    controls = [
        {
            "name": n,
            "targets": [{"id_type": "OBJECT", "id_name": name, "data_path": f'["{n}"]'}],
            "rest": 0.0,
            "minimum": -1.0,
            "maximum": 1.0,
            "region": "mouth",
            "mirror": mirror,
            "channels": weights,
        }
        for n, (mirror, weights) in channels.items()
    ]
    path = folder / f"{name}.json"
    path.write_text(
        json.dumps(
            {
                "format": "exprgen.rig_profile",
                "version": 1,
                "name": name,
                "title": name,
                "family": "test",
                "collection": name,
                "controls": controls,
                "framing": {"center": [0, 0, 0], "forward": [0, -1, 0], "size": 0.3},
                "key_poses": [],
            }
        )
    )
    return load_profile(path)


def write_ced(folder, profile, count=70, seed=0, pictures=False):
    """A captured and prepared character: drawn faces whose units follow their ARKit vectors."""
    from exprgen.networks.characters.profile import arkit_to_unit

    drawn = synthetic_faces(count, seed)
    place = folder / profile.name
    place.mkdir(parents=True)
    labels = np.arange(count) % len(EXPRESSIONS)
    samples = {
        "units": arkit_to_unit(profile.expression_controls, drawn.arkit).astype(np.float32),
        "label": labels,
        "arkit": drawn.arkit,
        "intensity": np.ones(count),
    }
    meta = {"controls": [c.name for c in profile.expression_controls]}
    save_arrays(place / "samples.npz", CED_KIND, meta, samples)
    seen = {"geometry": drawn.geometry, "arkit": drawn.arkit * 0.6, "found": np.ones(count, bool)}
    save_arrays(place / "seen.npz", SEEN_KIND, {}, seen)
    np.save(place / "faces.npy", drawn.faces)
    if pictures:
        (place / "images").mkdir()
        for i, face in enumerate(drawn.faces):
            cv2.imwrite(str(place / "images" / f"{i:06d}.png"), face)
    return drawn


def no_arkit(count=1):
    return np.zeros((count, len(ARKIT_CHANNELS)), np.float32)


def files(folder):
    """The names of all files in a folder, with the folders that they lie in there."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def check_resumed(main, words, folder, monkeypatch, which=1):
    """A training that Ctrl-C stops in the second step of its loop number `which` says so, leaves
    the old weights alone, and goes on to the very weights and card of one that was not stopped."""
    learn, learned = loop._Training._learn, []

    def stops(training):
        learn(training)
        learned.append(training)
        own = [t for t in learned if t is training]
        if len({id(t) for t in learned}) == which and len(own) == 2:
            signal.raise_signal(signal.SIGINT)

    whole, out = folder / "whole" / "w.safetensors", folder / "stopped" / "w.safetensors"
    assert main([*words, "--out", str(whole)]) == EXIT_OK
    out.parent.mkdir()
    out.write_bytes(b"old weights")
    with monkeypatch.context() as patch:
        patch.setattr(loop._Training, "_learn", stops)
        assert main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    assert out.read_bytes() == b"old weights"
    assert main([*words, "--out", str(out), "--resume"]) == EXIT_OK
    assert out.read_bytes() == whole.read_bytes()
    assert out.with_suffix(".md").read_bytes() == whole.with_suffix(".md").read_bytes()
    assert files(out.parent) == files(whole.parent)
    assert not [name for name in files(out.parent) if FOLDER in name]
