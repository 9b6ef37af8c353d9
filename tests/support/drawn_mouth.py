"""Drawn mouths on registered faces, with what fills them: no people, no characters."""

from __future__ import annotations

import cv2
import numpy as np

from exprgen.networks.tracking.mouth_crop import OUTER_LIPS
from exprgen.networks.tracking.registration import average_face
from exprgen.networks.training.shared.mouth_set import MouthSet, shares_of

SKIN, LIP, TOOTH, TONGUE, DARK = 190, 130, 225, 150, 25


def draw_mouth(
    rng: np.random.Generator, *, opening: float, teeth: float = 0.0, tongue: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A face that is a mouth alone: (face (256, 256), landmarks (49, 2), parts (256, 256)).

    opening: pixels between the lips. teeth: share of the opening that they fill from above. tongue:
    0 in, 1 far over the lower lip.
    """
    points = average_face() + rng.normal(0, 3, 2)
    lips = points[OUTER_LIPS]
    x, y = lips.mean(0)
    points[OUTER_LIPS[7:]] += (0, opening)
    half, edge = np.ptp(lips[:, 0]) / 2 - 6, y + opening
    face = np.full((256, 256), SKIN, np.uint8)
    parts = np.zeros((256, 256), np.uint8)
    cv2.fillPoly(face, [np.round(points[OUTER_LIPS]).astype(int)], LIP)

    def fill(middle, axes, grey, channel):
        args = (np.round(middle).astype(int), np.round(axes).astype(int), 0, 0, 360)
        cv2.ellipse(face, *args, grey, -1)
        cv2.ellipse(parts, *args, channel + 1, -1)

    if opening > 1:
        fill((x, (y + edge) / 2), (half, opening / 2), DARK, 2)
        if teeth:
            fill((x, y + teeth * opening / 2), (0.8 * half, teeth * opening / 2), TOOTH, 0)
    if tongue:
        fill((x, edge - 2), (0.55 * half, 4 + 12 * tongue), TONGUE, 1)
    face = np.clip(face + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(face, (3, 3), 0), points, parts


def mouth_set(count: int = 240, people: int = 4, seed: int = 0) -> MouthSet:
    """Drawn mouths, the last person's to check on."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        kind = number % 4
        opening = (0.0, 0.0, 1.0, 1.0)[kind] * rng.uniform(10, 30)
        tongue = rng.uniform(0.6, 1.0) if kind in (1, 3) else 0.0
        teeth = rng.uniform(0.2, 0.9) * (rng.random() < 0.5)
        face, points, parts = draw_mouth(rng, opening=opening, teeth=teeth, tongue=tongue)
        rows.append((face, parts, points, [tongue, *shares_of(face, parts, points)]))
    faces, parts, points, truth = (np.array(column) for column in zip(*rows, strict=True))
    person = np.arange(count) * people // count
    return MouthSet(
        faces=faces,
        parts=parts,
        landmarks=points.astype(np.float32),
        truth=truth.astype(np.float32),
        split=np.where(person == people - 1, "val", "train"),
        person=person,
    )
