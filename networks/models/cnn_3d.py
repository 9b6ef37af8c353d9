"""3D-CNN: from a human face to the controls of the primary character (ExprGen, section 4.2.1).

Table 1 with FC layers as wide as the character has controls. Its outputs are unit values of the
profile's expression controls (see profile.py): trained without a bound and clamped to [-1, 1]
afterwards, because a tanh would weaken strong poses and could not quite reach rest or limit.

Beyond the paper, the geometric features (9), or those and the tracker's ARKit coefficients (61),
can be a second input, concatenated to the pooled features before FC-13. The paper's form is
`geometry=0`.
"""

from __future__ import annotations

from ..vocabulary import ARKIT_CHANNELS, GEOMETRIC_FEATURES
from .perceptual import PerceptualNetwork
from .registry import register_network

NO_GEOMETRY = 0
GEOMETRY = len(GEOMETRIC_FEATURES)
GEOMETRY_AND_ARKIT = GEOMETRY + len(ARKIT_CHANNELS)

EXTRA_NAMES = {
    NO_GEOMETRY: (),
    GEOMETRY: GEOMETRIC_FEATURES,
    GEOMETRY_AND_ARKIT: (*GEOMETRIC_FEATURES, *ARKIT_CHANNELS),
}
"""What the second input holds, by its length."""


@register_network
def rig_regressor(
    controls: int, geometry: int = NO_GEOMETRY, hidden: int | None = None
) -> PerceptualNetwork:
    """3D-CNN: a face -> unit values (B, controls) in [-1, 1].

    Args:
        controls: expression controls of the primary character.
        geometry: length of the second input: 0 (the paper), 9 or 61.
        hidden: width of FC-13; None means `controls` (the paper).

    Raises:
        ValueError: another length of the second input.
    """
    if geometry not in EXTRA_NAMES:
        raise ValueError(f"geometry is {geometry}, not one of {sorted(EXTRA_NAMES)}")
    return PerceptualNetwork(controls, hidden=hidden, extra=geometry, fc_relu=True, bounded=True)
