"""What trainings that name expressions share: votes as targets, answers over a set, measures."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ...models.perceptual import probabilities, standardise
from ...vocabulary import EXPRESSIONS
from .augment import plain
from .report import confusion_matrix

HUMAN_LICENCE = (
    "FER+ votes: MIT. FER2013 pictures: as given out by the challenge, for research. mux: "
    "Apache-2.0 for the collection; rights of photographers and people shown are not settled. "
    "No picture is part of this file."
)


def shrink(faces: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """The faces of `rows` at `size` pixels, in memory; uint8 (len(rows), size, size)."""
    small = np.empty((len(rows), size, size), np.uint8)
    for i, row in enumerate(rows):
        face = np.asarray(faces[row])
        small[i] = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
    return small


def soft_cross_entropy(logits: Tensor, targets: np.ndarray | Tensor) -> Tensor:
    """Mean cross-entropy of logits (B, 7) with distributions (B, 7)."""
    return -(torch.as_tensor(targets) * torch.log_softmax(logits, 1)).sum(1).mean()


@torch.inference_mode()
def classify(
    model: nn.Module, faces: np.ndarray, rows: np.ndarray, size: int, batch: int = 64
) -> np.ndarray:
    """Probabilities float32 (len(rows), 7)."""
    model.eval()
    parts = [
        probabilities(model(standardise(plain(np.stack(faces[part]), size)), folded=True))
        for part in np.array_split(rows, max(1, len(rows) // batch))
        if len(part)
    ]
    return np.concatenate(parts)


def measures(answers: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Accuracy, mean recall of the classes present, cross-entropy; score (of the first two)."""
    truth, answer = targets.argmax(1), answers.argmax(1)
    matrix = confusion_matrix(truth, answer, len(EXPRESSIONS))
    present = matrix.sum(1) > 0
    recall = matrix.diagonal()[present] / matrix.sum(1)[present]
    accuracy = float((truth == answer).mean())
    return {
        "accuracy": accuracy,
        "mean_recall": float(recall.mean()),
        "cross_entropy": float(-(targets * np.log(answers + 1e-9)).sum(1).mean()),
        "score": float((accuracy + recall.mean()) / 2),
    }
