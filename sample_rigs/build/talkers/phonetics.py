"""What the visible mouth does in each sound of English: tables, nothing is computed here.

Source: articulatory phonetics as any handbook has it (the IPA's places and manners: bilabials p b m
close the lips, labiodentals f v put the lower lip to the upper teeth, dentals show the tongue,
sibilants keep the teeth together, rounded vowels and w protrude the lips, close front vowels spread
them, open vowels lower the jaw), and Cohen and Massaro 1993, "Modeling coarticulation in synthetic
visual speech", for dominance: how much a sound insists on its target against its neighbours. The
amounts are ARKit weights, set by eye on the heads of `people`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Groups of channels that are moved together and insist together.
ARTICULATORS = {
    "jaw": ("jawOpen", "jawForward"),
    "round": ("mouthPucker", "mouthFunnel"),
    "spread": ("mouthStretch", "mouthSmile"),
    "lips": ("mouthUpperUp", "mouthLowerDown", "mouthShrugUpper", "mouthPress"),
    "tongue": ("tongueOut", "tongue"),
}
"""Articulator -> its channels, without side for both sides; `tongue` is the tongue's tip, which no
channel shows: 1 is at the teeth, 0 lies low."""

LEAD = {"jaw": 0.055, "round": 0.110, "spread": 0.070, "lips": 0.045, "tongue": 0.035}
LAG = {"jaw": 0.060, "round": 0.070, "spread": 0.065, "lips": 0.045, "tongue": 0.035}
"""Seconds that an articulator begins before its sound and lasts after it: rounding comes early."""


@dataclass(frozen=True)
class Viseme:
    """One visible shape of the mouth.

    targets: channel -> weight. insists: articulator -> dominance, 0 follows its neighbours, 1 is an
    ordinary vowel's. Articulators that are not named have `INDIFFERENT`.
    """

    targets: dict[str, float]
    insists: dict[str, float] = field(default_factory=dict)


INDIFFERENT = 0.08

VISEMES = {
    "rest": Viseme({}, {"jaw": 0.8, "round": 0.5, "spread": 0.5, "lips": 0.8, "tongue": 0.8}),
    "bilabial": Viseme({"jawOpen": 0.06}, {"jaw": 0.7, "lips": 0.6}),
    "labiodental": Viseme({"jawOpen": 0.07, "mouthUpperUp": 0.25}, {"jaw": 1.1, "lips": 0.8}),
    "dental": Viseme({"jawOpen": 0.13, "tongueOut": 0.22, "tongue": 1.0, "mouthLowerDown": 0.15},
                     {"jaw": 0.7, "lips": 0.3, "tongue": 1.5}),
    "alveolar": Viseme({"jawOpen": 0.12, "tongue": 0.8, "mouthLowerDown": 0.12},
                       {"jaw": 0.5, "lips": 0.2, "tongue": 1.2}),
    "lateral": Viseme({"jawOpen": 0.17, "tongue": 0.9, "mouthLowerDown": 0.12},
                      {"jaw": 0.4, "lips": 0.2, "tongue": 1.2}),
    "sibilant": Viseme({"jawOpen": 0.035, "mouthStretch": 0.22, "mouthLowerDown": 0.28,
                        "mouthUpperUp": 0.15, "tongue": 0.5},
                       {"jaw": 1.3, "spread": 0.3, "lips": 0.6, "tongue": 0.8}),
    "hushing": Viseme({"jawOpen": 0.05, "mouthFunnel": 0.5, "mouthPucker": 0.35, "tongue": 0.4,
                       "mouthLowerDown": 0.2, "mouthUpperUp": 0.15},
                      {"jaw": 1.3, "round": 1.1, "spread": 0.6, "lips": 0.6, "tongue": 0.6}),
    "rhotic": Viseme({"jawOpen": 0.12, "mouthFunnel": 0.2, "mouthPucker": 0.4, "tongue": 0.3},
                     {"jaw": 0.4, "round": 0.7, "spread": 0.4, "tongue": 0.5}),
    "velar": Viseme({"jawOpen": 0.16}, {"jaw": 0.25, "tongue": 0.3}),
    "breath": Viseme({"jawOpen": 0.2}, {"jaw": 0.1}),
    "glide_front": Viseme({"jawOpen": 0.08, "mouthStretch": 0.28, "mouthLowerDown": 0.2,
                           "mouthUpperUp": 0.1, "tongue": 0.4},
                          {"jaw": 0.6, "spread": 0.6, "lips": 0.3, "tongue": 0.4}),
    "glide_round": Viseme({"jawOpen": 0.09, "mouthPucker": 1.0, "mouthFunnel": 0.4},
                          {"jaw": 0.8, "round": 1.8, "spread": 1.2, "lips": 0.6}),
    "close_front": Viseme({"jawOpen": 0.10, "mouthStretch": 0.5, "mouthSmile": 0.22,
                           "mouthLowerDown": 0.3, "mouthUpperUp": 0.2, "tongue": 0.3},
                          {"jaw": 1.0, "round": 0.9, "spread": 1.2, "lips": 0.9, "tongue": 0.4}),
    "near_close_front": Viseme({"jawOpen": 0.16, "mouthStretch": 0.3, "mouthSmile": 0.1,
                                "mouthLowerDown": 0.22, "mouthUpperUp": 0.1},
                               {"jaw": 0.8, "round": 0.6, "spread": 0.8, "lips": 0.6}),
    "mid_front": Viseme({"jawOpen": 0.28, "mouthStretch": 0.26, "mouthSmile": 0.08,
                         "mouthLowerDown": 0.22, "mouthUpperUp": 0.15},
                        {"jaw": 1.0, "round": 0.8, "spread": 0.8, "lips": 0.7}),
    "open_front": Viseme({"jawOpen": 0.42, "mouthStretch": 0.26, "mouthLowerDown": 0.28,
                          "mouthUpperUp": 0.2},
                         {"jaw": 1.1, "round": 0.9, "spread": 0.9, "lips": 0.8}),
    "open": Viseme({"jawOpen": 0.5, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1},
                   {"jaw": 1.2, "round": 0.9, "spread": 0.6, "lips": 0.7}),
    "open_mid": Viseme({"jawOpen": 0.34, "mouthLowerDown": 0.15},
                       {"jaw": 0.9, "round": 0.6, "spread": 0.4, "lips": 0.5}),
    "schwa": Viseme({"jawOpen": 0.17}, {"jaw": 0.4, "round": 0.2, "spread": 0.2, "lips": 0.3}),
    "schwa_rhotic": Viseme({"jawOpen": 0.19, "mouthFunnel": 0.25, "mouthPucker": 0.3},
                           {"jaw": 0.8, "round": 0.9, "spread": 0.5, "lips": 0.4}),
    "open_round": Viseme({"jawOpen": 0.4, "mouthFunnel": 0.5, "mouthPucker": 0.35},
                         {"jaw": 1.1, "round": 1.1, "spread": 0.9, "lips": 0.5}),
    "mid_round": Viseme({"jawOpen": 0.28, "mouthFunnel": 0.55, "mouthPucker": 0.65},
                        {"jaw": 1.0, "round": 1.3, "spread": 1.0, "lips": 0.5}),
    "near_close_round": Viseme({"jawOpen": 0.18, "mouthFunnel": 0.45, "mouthPucker": 0.75},
                               {"jaw": 0.9, "round": 1.0, "spread": 0.9, "lips": 0.5}),
    "close_round": Viseme({"jawOpen": 0.15, "mouthPucker": 0.95, "mouthFunnel": 0.5},
                          {"jaw": 1.0, "round": 1.6, "spread": 1.2, "lips": 0.6}),
}  # fmt: skip

_SOUNDS = {
    "rest": "", "bilabial": "pbm", "labiodental": "fv", "dental": "θð", "alveolar": "tdnɾʔ",
    "lateral": "lɫ", "sibilant": "sz", "hushing": "ʃʒ", "rhotic": "ɹr", "velar": "kɡgŋx",
    "breath": "h", "glide_front": "j", "glide_round": "w", "close_front": "i",
    "near_close_front": "ɪᵻy", "mid_front": "eɛ", "open_front": "æa", "open": "ɑ",
    "open_mid": "ʌɐ", "schwa": "ə", "schwa_rhotic": "ɚɜɝ", "open_round": "ɔɒ", "mid_round": "o",
    "near_close_round": "ʊ", "close_round": "u",
}  # fmt: skip

SOUND = {"": "rest", **{sound: name for name, sounds in _SOUNDS.items() for sound in sounds}}
"""First character of a phoneme -> viseme; sounds that are not in it count as schwa."""

STRESSED, UNSTRESSED = 1.12, 0.85
"""Reach of a stressed vowel, and of one without stress."""

CLOSE_LEAD, CLOSE_LAG, CLOSE_LEAST = 0.075, 0.060, 0.060
"""Bilabials: seconds in which the lips come together and part, and that they stay together at
least, however fast the speech (half of it also for f and v)."""
YIELD = 0.7
"""Share of the sounds beside a contact that its coming and going may take."""
