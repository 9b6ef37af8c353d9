"""Small drawn stand-ins for the databases, in the formats of the real ones."""

import json

import cv2
import numpy as np

from exprgen.networks.characters.profile import load_profile
from exprgen.networks.track import save_arrays
from exprgen.networks.training.shared.datasets import synthetic_faces
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
