"""Frames of a clip, or pictures -> what each says of one chosen face, upright.

`FaceTracker` chooses one of the faces that the detector finds and keeps to it. What it says of each
frame goes into a FaceTrack by `track_recorder`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UsageError
from ..footage.frames import Frame
from ..vocabulary import LARGEST
from .face_detector import FaceDetector, FaceObservation, same_face, scaled
from .face_finder import SMALLEST, FaceFinder
from .face_measures import confidence, gaze_angles, lid_openings, roll
from .people import COAST, KNOWN, NEAR, SPEED, Person, match, outgrown
from .registration import cut_face, geometric_features, registering_affine, warp_cut
from .view import BORDER_GREY, View, around

MAX_FACES = 8  # in one picture
CHOICES = (LARGEST, "left", "right")
SEARCH_EVERY = 8  # lost frames between two thorough searches
LOOK_ROUND = 0.25  # seconds between two looks at who else is there
SURPRISE = 0.2  # widths off the expected place that are a reason for another look
HERE = 0.5  # widths off the expected place within which it is still this face
SMALL_SHARE = (
    0.08  # of the picture's longer side: of a smaller face only its surroundings are shown
)
FEW_PIXELS = 100  # width below which a face is looked at in frames that are not reduced
ASKEW = 60.0  # degrees between two ways that a face stands


@dataclass(frozen=True)
class TrackedFace:
    """What one frame says of the chosen face.

    Where found is False everything but index, time, size, turns and name is None or 0. turns:
    quarters counterclockwise by which the frame was turned for the face to stand upright; size and
    observation are of the turned frame. face: the registered face (256, 256) uint8; geometry (9,);
    gaze (2, 2) left and right eye's yaw and pitch in radians, see ROLES; lids (2,) left and right
    lid opening over eye width; confidence: see `confidence`; name: of a picture.
    """

    index: int
    time: float
    size: tuple[int, int]
    found: bool = False
    observation: FaceObservation | None = None
    face: np.ndarray | None = None
    geometry: np.ndarray | None = None
    gaze: np.ndarray | None = None
    lids: np.ndarray | None = None
    confidence: float = 0.0
    name: str = ""
    turns: int = 0


@dataclass(frozen=True)
class FollowedFace:
    """What the tracker itself says of one frame: a TrackedFace in the making.

    index, time, size, name, turns as there. observation: the chosen face in pixels of the frame as
    it was looked at, None where it was not found; full: the same in pixels of the full frame; cut:
    what is registered, see `cut_face`.
    """

    index: int
    time: float
    size: tuple[int, int]
    name: str
    turns: int
    observation: FaceObservation | None = None
    full: FaceObservation | None = None
    cut: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def found(self) -> bool:
        return self.observation is not None

    def described(self) -> TrackedFace:
        """The face registered and measured."""
        return described([self])[0]

    def _told(self, geometry: np.ndarray | None) -> TrackedFace:
        told = TrackedFace(self.index, self.time, self.size, name=self.name, turns=self.turns)
        if self.observation is None or self.cut is None:
            return told
        return replace(
            told,
            found=True,
            observation=self.full,
            face=warp_cut(*self.cut),
            geometry=geometry,
            gaze=gaze_angles(self.observation.arkit),
            lids=lid_openings(self.observation),
            confidence=confidence(self.observation),
        )


def described(followed: list[FollowedFace]) -> list[TrackedFace]:
    """Faces registered and measured: together, for less Python than one by one."""
    seen = [f.observation.landmarks49 for f in followed if f.found]
    geometry = iter(geometric_features(np.stack(seen)) if seen else ())
    return [f._told(next(geometry) if f.found else None) for f in followed]


class FaceTracker:
    """Follows one face through the frames of a clip, or chooses one in each of several pictures.

    The face is chosen in the first frame that shows enough faces: "largest", "left" or "right" (of
    the picture, as the viewer sees it), or a number, counted from 0 at the left. From then on it is
    the one that goes on smoothly from where it was. Who is near is followed too: while the chosen
    face is hidden behind another, it is lost, and found again where its speed has led it.

    A face that lies on its side or upside down is read wrongly as it is. The frames are turned
    then, all of a clip alike: a phone was held so. `notes` says so.

    Args:
        face: the choice. stills: the frames are separate pictures; each is chosen from anew.

    Raises:
        UsageError: not a choice. ModelError: see FaceDetector.
    """

    def __init__(self, face: str = LARGEST, *, stills: bool = False):
        self._choice = _parse_choice(face)
        self.face, self.stills = str(face), stills
        self.turns = 0
        self._turned_pictures = 0
        self._still = FaceDetector(faces=MAX_FACES)
        self._finder = FaceFinder()
        self._clip = None if stills else FaceDetector(clip=True)
        self._chosen: Person | None = None
        self._others: list[Person] = []
        self._looked = -math.inf
        self._lost = 0
        self._view: View | None = None  # how the face is best shown to the landmarker
        self._around = False  # that view moves with the face
        self._close = False  # frames are looked at unreduced

    def __enter__(self) -> FaceTracker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._still.close()
        self._finder.close()
        if self._clip is not None:
            self._clip.close()

    @property
    def notes(self) -> list[str]:
        """What the user should know of how the frames were looked at, one line each."""
        if self.stills and self._turned_pictures:
            return [f"{self._turned_pictures} pictures were turned: the face was not upright"]
        if self.turns:
            return [f"the clip was turned by {90 * self.turns} degrees: the face was not upright"]
        return []

    def track(self, frame: Frame) -> TrackedFace:
        """The chosen face in the next frame; frames come in the order of their times."""
        return self.follow(frame).described()

    def follow(self, frame: Frame) -> FollowedFace:
        """The same for those who describe it elsewhere: that needs no tracker and no frame."""
        if self.stills:
            return self._choose_still(frame)
        frame = frame.turned(self.turns)
        frame = frame.unreduced() if self._close else frame
        turned, observation = self._follow(frame)
        return self._told(turned, observation, self.turns)

    def _told(self, frame: Frame, face: FaceObservation | None, turns: int) -> FollowedFace:
        told = FollowedFace(frame.index, frame.time, frame.size, frame.name, turns)
        if face is None:
            return told
        cut = cut_face(frame.rgb, registering_affine(face.landmarks49))
        return replace(told, observation=face, full=_in_full_pixels(face, frame), cut=cut)

    # --- the way a face stands ---

    def _search(self, frame: Frame) -> list[FaceObservation]:
        """The faces of a frame, thoroughly searched for."""
        return self._still.search(frame.rgb, SMALLEST / float(frame.scale.max()), self._finder)

    def _upright(
        self, frame: Frame, faces: list[FaceObservation]
    ) -> tuple[int, list[FaceObservation]]:
        """(quarters by which the frame has to be turned for the chosen face to stand upright, the
        faces in the turned frame)."""
        turns = self._turns_needed(frame, faces)
        if turns:
            found = self._search(frame.turned(turns))
            if self._pick(found) is not None:
                return turns, found
        return 0, faces

    def _turns_needed(self, frame: Frame, faces: list[FaceObservation]) -> int:
        chosen = self._pick(faces)
        if chosen is not None:
            return self._finder.turns(frame.rgb, chosen.box)
        if faces:
            return 0  # there are some, but the chosen one is not among them
        spots = self._finder.find(frame.rgb)
        return self._finder.turns(frame.rgb, spots[0].box) if spots else 0

    def _is_misread(self, frame: Frame, face: FaceObservation) -> bool:
        """The face stands otherwise than its landmarks say: they are nonsense then."""
        turns = self._finder.turns(frame.rgb, face.box)
        return turns > 0 and abs((roll(face) - 90 * turns + 180) % 360 - 180) > ASKEW

    # --- separate pictures ---

    def _choose_still(self, frame: Frame) -> FollowedFace:
        turns, faces = self._upright(frame, self._search(frame))
        self._turned_pictures += turns > 0
        return self._told(frame.turned(turns), self._pick(faces), turns)

    def _pick(self, faces: list[FaceObservation]) -> FaceObservation | None:
        """The face of the choice; None where there are not enough."""
        if not faces:
            return None
        if isinstance(self._choice, int):
            return faces[self._choice] if self._choice < len(faces) else None
        if self._choice == LARGEST:
            return max(faces, key=lambda face: face.area)
        return faces[0 if self._choice == "left" else -1]

    # --- a clip ---

    def _follow(self, frame: Frame) -> tuple[Frame, FaceObservation | None]:
        """(the frame as it was looked at, the chosen face in it)."""
        observation = None
        if self._chosen is None:
            frame, observation = self._find_first(frame)
        else:
            if self._lost == 0:
                observation = self._go_on(frame)
            if observation is None and not (self._lost == 0 and self._is_crowded(frame.time)):
                frame, observation = self._find_again(frame)
        if observation is None:
            self._lose()
        else:
            self._keep(frame, observation)
        return frame, observation

    def _lose(self) -> None:
        self._lost += 1
        if self._chosen is not None:
            self._chosen.hidden = True

    def _keep(self, frame: Frame, observation: FaceObservation) -> None:
        self._lost = 0
        if self._chosen is None:
            self._chosen = Person(observation, frame.time)
        else:
            self._chosen.see(observation, frame.time)

    def _find_first(self, frame: Frame) -> tuple[Frame, FaceObservation | None]:
        """The chosen face where there was none so far; the frame, turned if need be."""
        faces = self._seen_or_searched(frame)
        if faces is None:
            return frame, None
        turns, faces = self._upright(frame, faces)
        chosen = self._pick(faces)
        if chosen is None:
            return frame, None
        self.turns, frame = turns, frame.turned(turns)
        self._others = [Person(face, frame.time) for face in faces if face is not chosen]
        return self._begin(frame, chosen)

    def _find_again(self, frame: Frame) -> tuple[Frame, FaceObservation | None]:
        """The chosen face after it was lost, among all that are in the frame."""
        self._chosen.hidden = True
        chosen = self._sort(self._seen_or_searched(frame) or [], frame.time)
        if chosen is None or self._is_misread(frame, chosen):
            return frame, None
        return self._begin(frame, chosen)

    def _seen_or_searched(self, frame: Frame) -> list[FaceObservation] | None:
        """All faces of a frame as it is shown now; every so often, if there are none, as a thorough
        search finds them; None between such searches."""
        faces = self._still.detect(frame.rgb, view=self._view)
        if faces:
            return faces
        return None if self._lost % SEARCH_EVERY else self._search(frame)

    def _begin(self, frame: Frame, chosen: FaceObservation) -> tuple[Frame, FaceObservation]:
        """Set the landmarker on the chosen face; (the frame, unreduced if need be, the face)."""
        self._looked = frame.time
        self._view = self._still.view
        self._around = self._view is None or chosen.width < SMALL_SHARE * max(frame.rgb.shape)
        if self._around:
            if frame.full is not None and chosen.width < FEW_PIXELS:
                frame, chosen = self._come_closer(frame, chosen)
            self._view = around(chosen.box, frame.rgb.shape[1], frame.rgb.shape[0])
        return frame, self._restart(frame, chosen)

    def _come_closer(self, frame: Frame, chosen: FaceObservation) -> tuple[Frame, FaceObservation]:
        """Look at unreduced frames from now on; what was seen so far is put in their pixels."""
        self._close, factor = True, frame.scale
        for person in filter(None, [self._chosen, *self._others]):
            person.face = scaled(person.face, factor)
            person.velocity = person.velocity * factor
        return frame.unreduced(), scaled(chosen, factor)

    def _restart(self, frame: Frame, chosen: FaceObservation) -> FaceObservation:
        """The landmarker made anew: the old one may be following somebody else. It sees this frame
        with the others covered, so that it starts on the right face; the next ones it sees as they
        are."""
        self._clip.close()
        self._clip = FaceDetector(clip=True)
        alone = frame.rgb if not self._others else _cover_all_but(frame.rgb, chosen)
        started = self._clip.detect(alone, frame.time, self._view)
        return started[0] if started and same_face(started[0], chosen) else chosen

    def _go_on(self, frame: Frame) -> FaceObservation | None:
        """The face where the landmarker follows it, unless it is another one by now."""
        if self._is_crowded(frame.time):
            return self._among(frame, self._followed(frame))
        face = self._followed(frame)
        if face is None or self._has_jumped(face, frame.time):
            return None
        if self._has_to_look(face, frame.time):
            self._look_round(frame)
            if self._is_crowded(frame.time):
                return self._among(frame, face)
        if self._around and not self._view.holds(face.box):
            self._view = around(face.box, frame.rgb.shape[1], frame.rgb.shape[0])
            return self._restart(frame, face)
        return face

    def _has_to_look(self, face: FaceObservation, time: float) -> bool:
        """It is time to see who else is there: again, or since the face moved as it did not
        before, or since somebody new came, whose speed is not known yet."""
        new = any(not other.hidden and other.looks < KNOWN for other in self._others)
        surprise = self._chosen.off(face, time) > SURPRISE
        return new or surprise or time - self._looked >= LOOK_ROUND

    def _followed(self, frame: Frame) -> FaceObservation | None:
        faces = self._clip.detect(frame.rgb, frame.time, self._view)
        return faces[0] if faces else None

    def _has_jumped(self, face: FaceObservation, time: float) -> bool:
        last = self._chosen
        moved = float(np.linalg.norm(face.centre - last.face.centre)) / last.face.width
        return moved > NEAR + SPEED * (time - last.time) or outgrown(last, face)

    def _is_crowded(self, time: float) -> bool:
        """Somebody is so near that the landmarker may go over to them, or was until just now."""
        return any(
            self._chosen.is_near(other, time, LOOK_ROUND)
            for other in self._others
            if not other.hidden or time - other.time < COAST
        )

    def _among(self, frame: Frame, followed: FaceObservation | None) -> FaceObservation | None:
        """The chosen face among others near it: every face of the frame is given to somebody."""
        own = self._sort(self._still.detect(frame.rgb, view=self._view), frame.time)
        if own is not None:
            if followed is not None and same_face(followed, own):
                return followed
            return self._restart(frame, own)
        if followed is None or self._chosen.off(followed, frame.time) > HERE:
            return None
        here = (other for other in self._others if other.time == frame.time)
        return None if any(same_face(followed, other.face) for other in here) else followed

    def _look_round(self, frame: Frame) -> None:
        """Note where other people are, so as not to take one for the chosen face."""
        self._looked = frame.time
        somebody = any(not other.hidden for other in self._others)
        if somebody or len(self._finder.find(frame.rgb, self._view)) > 1:
            self._sort(self._still.detect(frame.rgb, view=self._view), frame.time)

    def _sort(self, faces: list[FaceObservation], time: float) -> FaceObservation | None:
        """The chosen one's face among these; the others' people are brought up to date."""
        self._others = [p for p in self._others if not p.has_left(time)]
        own, *theirs = match([self._chosen, *self._others], faces, time)
        for person, face in zip(self._others, theirs, strict=True):
            if face is None:
                person.hidden = True
            else:
                person.see(face, time)
        if own is not None:
            known = [own, *(face for face in theirs if face is not None)]
            self._others += [
                Person(f, time) for f in faces if not any(f is k or same_face(f, k) for k in known)
            ]
        return own


def _parse_choice(face: str) -> str | int:
    face = str(face).strip().lower()
    if face in CHOICES:
        return face
    if face.isdecimal():
        return int(face)
    raise UsageError(
        f"unknown choice of face {face!r}.",
        fix=f"use {', '.join(CHOICES)} or a number, counted from 0 at the left",
    )


def _in_full_pixels(observation: FaceObservation, frame: Frame) -> FaceObservation:
    """The observation in pixels of the full picture, where the frame was reduced."""
    return replace(scaled(observation, frame.scale), size=frame.size)


def _cover_all_but(rgb: np.ndarray, face: FaceObservation) -> np.ndarray:
    """The picture in mid grey but for the surroundings of one face."""
    left, top, right, bottom = face.box
    margin = 0.4 * max(right - left, bottom - top)
    height, width = rgb.shape[:2]
    x0, x1 = max(0, int(left - margin)), min(width, int(right + margin))
    y0, y1 = max(0, int(top - margin)), min(height, int(bottom + margin))
    covered = np.full_like(rgb, BORDER_GREY)
    covered[y0:y1, x0:x1] = rgb[y0:y1, x0:x1]
    return covered
