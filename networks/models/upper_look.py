"""Upper look: what the upper part of a face expresses, which speech hardly moves.

A mouth that speaks misleads: an angry sentence shows round, wide and smiling lips, and a reader of
whole faces names those. Brows, lids, the root of the nose and the cheeks under the eyes take little
part in speech. The upper look goes on where HCNN's first four convolutions end (ExprGen, Table 1),
with layers of its own, so that it costs and stores little beside HCNN, whose file it
needs. It sees the upper rows alone of what those give, and no pixel below the nostrils reaches one
of them; what is left of a mouth is its share in the brightness and contrast by which a face is
standardised.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..vocabulary import EXPRESSIONS
from .layouts import CHANNELS, FOLDED_STRIDES, PRINTED_STRIDES, SHARED_LAYERS, TABLE_1, UPPER_ROWS
from .perceptual import DROPOUT, ConvLayer, PerceptualNetwork, pool
from .registry import register_network


class UpperLook(nn.Module):
    """The rest of Table 1 over the first `rows` rows of what the first SHARED_LAYERS layers give.

    under: `table1.shared_digest` of the HCNN whose layers those are.
    """

    def __init__(self, rows: int, under: str = ""):
        super().__init__()
        self.rows, self.under = rows, under
        specs = TABLE_1[SHARED_LAYERS:]
        self.layers = nn.ModuleList(ConvLayer(spec, CHANNELS, CHANNELS) for spec in specs)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc13 = nn.Linear(CHANNELS, len(EXPRESSIONS))
        self.fc14 = nn.Linear(len(EXPRESSIONS), len(EXPRESSIONS))

    def forward(self, maps: Tensor, folded: bool = False) -> Tensor:
        """What the shared layers give of whole faces (B, 64, H, W) -> logits (B, 7)."""
        x = maps[:, :, : self.rows]
        strides = (FOLDED_STRIDES if folded else PRINTED_STRIDES)[SHARED_LAYERS:]
        for layer, stride in zip(self.layers, strides, strict=True):
            x = layer(x, stride)
        return self.fc14(self.fc13(self.dropout(pool(x))))


@register_network
def upper_look(rows: int = UPPER_ROWS, under: str = "") -> UpperLook:
    """Upper look: what HCNN's first layers give of a face -> logits of the seven that its upper
    part expresses."""
    return UpperLook(rows, under)


def begun_from(parent: PerceptualNetwork, rows: int = UPPER_ROWS) -> UpperLook:
    """An upper look that goes on as an HCNN does."""
    network = UpperLook(rows)
    network.layers.load_state_dict(parent.layers[SHARED_LAYERS:].state_dict())
    network.fc13.load_state_dict(parent.fc13.state_dict())
    network.fc14.load_state_dict(parent.fc14.state_dict())
    return network
