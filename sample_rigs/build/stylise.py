"""From a person's anatomy to a stylised head: a smooth space warp that also carries the actions.

An action d becomes W(v + g d) - W(v), so that lids still close and lips still meet on the warped
head. Brow actions are own fields: the base mesh's brows neither tilt (anger) nor slant (sadness).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import source
from .config import CharacterConfig, Style

GAINS = {
    "mouthFrown": 2.1,
    "noseSneer": 1.9,
    "mouthStretch": 1.8,
    "mouthUpperUp": 1.7,
    "mouthLowerDown": 1.7,
    "eyeWide": 1.45,
    "eyeSquint": 1.9,
    "mouthPress": 1.4,
    "cheekSquint": 1.3,
    "mouthShrug": 1.3,
    "mouthSmile": 1.12,
    "mouthLeft": 1.2,
    "mouthRight": 1.2,
    "jawLeft": 2.0,
    "jawRight": 2.0,
}
"""Exaggeration of an action by the start of its name (measured by eye on a prototype)."""


@dataclass(frozen=True)
class Landmarks:
    """Points of the rest head, metres, left side only (the right is the mirror image)."""

    eye: np.ndarray
    eye_radius: float
    mouth: np.ndarray
    corner: np.ndarray
    nose_tip: np.ndarray
    nose_wing: np.ndarray
    chin: np.ndarray
    top: np.ndarray
    brow: np.ndarray
    """(3, 3) inner, middle and outer end of the brow bone."""
    ear_x: float
    """|x| beyond which a point is on the ear, at the ear's height."""


@dataclass(frozen=True)
class StyledHead:
    """Warped base vertices with every action, still in base-mesh indices.

    anatomy: (V, 3) unwarped rest; rest: (V, 3) warped; actions: ARKit name -> (V, 3).
    flare: (V, 3) wide nostrils; lips, cavity: (V,) how red, how far inside the mouth.
    """

    anatomy: np.ndarray
    rest: np.ndarray
    actions: dict[str, np.ndarray]
    flare: np.ndarray
    lips: np.ndarray
    cavity: np.ndarray
    before: Landmarks
    after: Landmarks


def smooth(edge0: float, edge1: float, x: np.ndarray) -> np.ndarray:
    """Smootherstep: 0 below edge0, 1 above edge1 (or the reverse when edge1 < edge0)."""
    t = np.clip((np.asarray(x, float) - edge0) / (edge1 - edge0), 0.0, 1.0)
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares centre and radius of (N, 3) points."""
    system = np.c_[2.0 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def find_landmarks(vertices: np.ndarray, data: source.Source) -> Landmarks:
    """Landmarks of any shape of the base mesh; vertex indices come from the actions' maxima."""
    peak = {k: int(np.linalg.norm(d, axis=1).argmax()) for k, d in data.actions.items()}
    eye, radius = fit_sphere(vertices[np.unique(data.parts["helper-l-eye"])])
    body = np.unique(data.parts["body"])
    line = body[(np.abs(vertices[body, 0]) < 2e-4) & (vertices[body, 1] < eye[1] + 0.06)]
    front = vertices[line]
    below = front[(front[:, 2] < eye[2] - 0.02) & (front[:, 2] > eye[2] - 0.07)]
    corner = vertices[peak["mouthFrownLeft"]]
    mouth = np.array([0.0, front[np.abs(front[:, 2] - corner[2]).argmin(), 1], corner[2]])
    under = front[(front[:, 2] < mouth[2] - 0.025) & (front[:, 1] < mouth[1] + 0.03)]
    scale = eye[0] / 0.031
    brow = np.array([[x * scale, 0.0, eye[2] + z * scale] for x, z in _BROW_LINE])
    wing = vertices[body[np.abs(vertices[body] - _wing_guess(below)).sum(1).argmin()]]
    return Landmarks(
        eye=eye,
        eye_radius=radius,
        mouth=mouth,
        corner=corner,
        nose_tip=below[below[:, 1].argmin()],
        nose_wing=wing,
        chin=under[np.abs(under[:, 2] - (mouth[2] - 0.045)).argmin()],
        top=vertices[body[vertices[body, 2].argmax()]],
        brow=brow,
        ear_x=_side_x(vertices[body], eye) + 0.003,
    )


def _side_x(v: np.ndarray, eye: np.ndarray) -> float:
    """Half width of the head just above the ears, metres."""
    level = (np.abs(v[:, 2] - eye[2] - 0.035) < 0.008) & (v[:, 1] < 0.08)
    return float(v[level, 0].max())


_BROW_LINE = ((0.015, 0.0225), (0.034, 0.0252), (0.055, 0.0200))
"""x and height over the eye's centre of the brow bone's inner, middle and outer point, for eyes
62 mm apart (measured on the base mesh)."""


def _wing_guess(nose: np.ndarray) -> np.ndarray:
    """Roughly the outer end of the left nostril, from the nose's midline."""
    tip = nose[nose[:, 1].argmin()]
    return tip + np.array([0.017, 0.018, 0.0])


def warp(points: np.ndarray, style: Style, marks: Landmarks) -> np.ndarray:
    """(N, 3) anatomical points -> stylised points; smooth and one-to-one for moderate settings."""
    moved = points + _feature_shift(points, style, marks)
    return _proportions(moved, style, marks)


def _feature_shift(v: np.ndarray, style: Style, marks: Landmarks) -> np.ndarray:
    """Displacements of eyes, nose and mouth, each within its own neighbourhood."""
    shift = np.zeros_like(v)
    for side in (1.0, -1.0):
        centre = marks.eye * (side, 1.0, 1.0)
        away = v - centre
        # Rigid out to the lids' edge, then fading before nose tip and cheeks: a wider field would
        # weaken the smile.
        near = smooth(0.050, 0.0205, np.linalg.norm(away, axis=1))[:, None]
        slide = np.array([side * style.eye_apart, 0.0, -style.eye_down])
        shift += near * ((style.eye_scale - 1.0) * away + slide)
    base = marks.nose_tip + np.array([0.0, 0.018, 0.006])
    away = v - base
    near = np.exp(-((away / (0.022, 0.030, 0.026)) ** 2).sum(1))[:, None]
    shift += near * ((style.nose_scale - 1.0) * away + (0.0, 0.0, style.nose_up))
    away = v - marks.mouth
    near = np.exp(-((away / (0.040, 0.040, 0.026)) ** 2).sum(1))[:, None]
    shift += near * (style.mouth_scale - 1.0) * away
    return shift


def _proportions(v: np.ndarray, style: Style, marks: Landmarks) -> np.ndarray:
    """Widths and heights of cranium, jaw, neck and shoulders as functions of height."""
    out = v.copy()
    eye_z, chin_z = marks.eye[2], marks.chin[2]
    depth = smooth(-0.02, -0.11, v[:, 1])  # face in front, not the back of the skull
    cranium = smooth(eye_z + 0.005, eye_z + 0.075, v[:, 2])
    jaw = smooth(eye_z - 0.02, marks.mouth[2], v[:, 2])
    chin = smooth(marks.mouth[2] + 0.01, chin_z, v[:, 2])
    body = smooth(chin_z - 0.008, chin_z - 0.062, v[:, 2] - 0.30 * (v[:, 1] + 0.065))
    width = 1.0 + (style.cranium_width - 1.0) * cranium
    width += (style.jaw_width - 1.0) * jaw + (style.chin_width - style.jaw_width) * chin * depth
    out[:, 0] *= width + (style.neck_width - width) * body
    neck_y = -0.035
    out[:, 1] = neck_y + (v[:, 1] - neck_y) * (1.0 + (style.neck_width - 1.0) * body)
    rise = v[:, 2] - eye_z
    lower = np.maximum(-rise, 0.0)
    reach = eye_z - chin_z
    # Heights are integrated, not scaled in place, so that the fields stay one-to-one.
    upper = np.maximum(rise, 0.0)
    out[:, 2] = eye_z + upper * (1.0 + (style.cranium_height - 1.0) * smooth(0.0, 0.06, upper))
    out[:, 2] -= np.minimum(lower, reach) * style.face_height + np.maximum(lower - reach, 0.0)
    drop = smooth(0.10, 0.16, lower) * (style.shoulder_scale - 1.0)
    out[:, 0] *= 1.0 + drop
    out[:, 2] -= (lower - reach - 0.02) * drop
    return out


def gain(action: str, strength: float) -> float:
    """Exaggeration of `action`."""
    for start, value in GAINS.items():
        if action.startswith(start):
            return 1.0 + (value - 1.0) * strength
    return 1.0


def _mirrored(field: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return field[mirror] * (-1.0, 1.0, 1.0)


def style_head(config: CharacterConfig, shape_of=source.rest_vertices) -> StyledHead:
    """Warp the person of `config` with all ARKit actions, exactly mirror-symmetric.

    shape_of: how a rest shape is come by, kept on disk or not (`source.fresh_vertices`).
    """
    data = source.load_source()
    style = config.style
    raw = shape_of(config.phenotypes, config.local)
    anatomy = 0.5 * (raw + _mirrored(raw, data.mirror))
    flare = shape_of(config.phenotypes, {**config.local, "nose-flaring-incr": 1.0})
    volume = {
        k: shape_of(config.phenotypes, {**config.local, k: config.local.get(k, 0) + 1})
        for k in ("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr")
    }
    act = {k: d.astype(float) for k, d in data.actions.items()}
    marks = find_landmarks(anatomy, data)
    opened = style.eye_open * (act["eyeWideLeft"] + act["eyeWideRight"])
    smiled = style.smile * (act["mouthSmileLeft"] + _mirrored(act["mouthSmileLeft"], data.mirror))
    start = anatomy + smiled + opened
    rest = warp(start, style, marks)
    actions = {}
    for name, delta in act.items():
        if name.endswith("Right"):
            continue
        begin = start
        if name == "eyeBlinkLeft":  # closing takes the baked opening of this side back out
            begin = start - style.eye_open * act["eyeWideLeft"]
        moved = warp(begin + gain(name, style.strength) * delta, style, marks) - rest
        if name.endswith("Left"):
            actions[name] = moved
            actions[name[:-4] + "Right"] = _mirrored(moved, data.mirror)
        else:
            actions[name] = 0.5 * (moved + _mirrored(moved, data.mirror))
    lips = np.max([np.linalg.norm(v - raw, axis=1) / 0.0030 for v in volume.values()], axis=0)
    lips = np.maximum(lips, lips[data.mirror])
    return StyledHead(
        anatomy=anatomy,
        rest=rest,
        actions=actions,
        flare=warp(start + 0.8 * (flare - raw), style, marks) - rest,
        lips=lips,
        cavity=np.zeros(len(rest)),
        before=marks,
        after=find_landmarks(rest, data),
    )
