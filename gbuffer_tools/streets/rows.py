"""What stands on a block: rows of houses, gardens with walls, hedges and fences, trees behind."""

from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np

from gbuffer_tools.streets import ground
from gbuffer_tools.streets.grid import CORNER, CityBlock, Grid, contains, outline
from gbuffer_tools.streets.shapes import furniture, plants
from gbuffer_tools.streets.shapes.houses import BRICKS, House, house_mesh
from gbuffer_tools.streets.shapes.mesh import Floats, tinted
from gbuffer_tools.streets.things import Things

WIDTHS = {"terrace": (4.6, 6.8), "shop": (5.0, 9.0), "detached": (7.5, 11.0), "office": (11.0, 22.0)}
SETBACKS = {"terrace": (0.0, 3.5), "shop": (0.0, 0.0), "detached": (3.5, 6.5), "office": (0.0, 3.0)}
STOREYS = {"terrace": (2, 3), "shop": (2, 4), "detached": (2, 2), "office": (3, 5)}
HEIGHTS = {"terrace": (2.7, 3.0), "shop": (3.2, 3.6), "detached": (2.6, 2.9), "office": (3.2, 3.8)}
TREES = 20
"""Different trees in a town; each stands in many places, turned and scaled."""


@dataclass(frozen=True)
class HouseRow:
    """The houses of a block's side.

    Attributes:
        side: which side of the block.
        style: that of the houses.
        front: from the kerb to the houses, metres; depth: the houses'.
        span: from where to where along the side, metres.
    """

    side: int
    style: str
    front: float
    depth: float
    span: tuple[float, float]


def rows_of(block: CityBlock, seed: int) -> list[HouseRow]:
    """The rows of a block; those along y stand between those along x."""
    random = Random(f"{seed}/rows/{block.low}")
    found: dict[int, HouseRow] = {}
    for side in (0, 2, 1, 3):
        street = block.streets[side]
        if street is None:
            continue
        style = street.style if random.random() < 0.75 else random.choice(("terrace", "shop", "office"))
        front = block.pavement + random.uniform(*SETBACKS[style])
        depth = random.uniform(8, 10.5) if style != "office" else random.uniform(11, 15)
        ends = [0.3 + block.pavement, block.length(side) - 0.3 - block.pavement]
        if side % 2:
            for i, (other, sign) in enumerate((((side - 1) % 4, 1), ((side + 1) % 4, -1))):
                if other in found:
                    ends[i] += sign * (found[other].front - block.pavement + found[other].depth + 1.2)
        found[side] = HouseRow(side, style, front, depth, (ends[0], ends[1]))
    return list(found.values())


def add_block(things: Things, grid: Grid, block: CityBlock, seed: int) -> None:
    """Add everything that stands on a block and does not move, except street furniture."""
    random = Random(f"{seed}/block/{block.low}")
    for row in rows_of(block, seed):
        _add_row(things, grid, block, row, random)
    for _ in range(7):
        inwards = min(block.length(0), block.length(1)) / 2
        along = random.uniform(0.3, 0.7) * block.length(0)
        reach = random.uniform(max(inwards * 0.72, 16), max(inwards * 1.1, 17))
        matrix = grid.beside(block, 0, along, reach, turn=random.uniform(0, 6))
        add_tree(things, matrix, random, random.uniform(0.9, 1.35))


def add_tree(
    things: Things, matrix: Floats, random: Random, scale: float, kinds: tuple[str, ...] = plants.KINDS
) -> None:
    """Add one of the town's trees at a pose (4,4)."""
    number = random.randrange(TREES)
    kind = kinds[number % len(kinds)]
    size = scale * random.uniform(0.85, 1.15)
    scaled = matrix * [size, size, size, 1.0]
    things.stand("tree", scaled, partial(plants.tree_mesh, kind, number), f"tree {kind} {number}")


def _add_row(things: Things, grid: Grid, block: CityBlock, row: HouseRow, random: Random) -> None:
    gap = row.front - block.pavement
    low, high = row.span
    if gap > 0.3 and random.random() < (0.25 if row.style == "detached" else 0.6):
        build = partial(ground.forecourt_mesh, grid, block, row.side, row.span, gap)
        things.stand("pavement", np.eye(4), build)
    at, ground_of = low, grid.bend(outline(block, 0.6))
    same = f"{random.random()}"
    storeys, height = random.randint(*STOREYS[row.style]), random.uniform(*HEIGHTS[row.style])
    while at < high - WIDTHS[row.style][0]:
        width = min(random.uniform(*WIDTHS[row.style]), high - at)
        if random.random() < 0.3:
            storeys, height = random.randint(*STOREYS[row.style]), random.uniform(*HEIGHTS[row.style])
        if random.random() < 0.35:
            same = f"{random.random()}"  # neighbours often look alike
        house = House(row.style, width, row.depth + random.uniform(-0.4, 0.4), storeys, height, same)
        push = row.front + (random.uniform(0, 0.8) if row.style == "detached" else 0.0)
        matrix = grid.beside(block, row.side, at + width / 2, push)
        corners = np.array([(x, y, 0, 1) for x in (-width / 2, width / 2) for y in (0, house.depth)]) @ matrix.T
        if not contains(ground_of, corners[:, :2]):  # at a corner, where the bend turns it out of the block
            at += 0.5
            continue
        things.stand("building", matrix, partial(house_mesh, house))
        if gap > 1.2:
            _garden(things, grid, block, row, (at, at + width), gap, random)
        at += width + (random.uniform(1.5, 4.5) if row.style == "detached" else 0.02)


def _garden(
    things: Things, grid: Grid, block: CityBlock, row: HouseRow, span: tuple[float, float], gap: float, random: Random
) -> None:
    """Add what encloses a front garden, with a way in, and what grows in it."""
    kind = random.choice(("hedge", "wall", "railing", "panel", "hedge", "open"))
    entry = random.uniform(0.3, 0.7) * (span[1] - span[0]) + span[0]
    seed = random.randrange(2**31)
    for low, high in ((span[0], entry - 0.6), (entry + 0.6, span[1])):
        length = high - low
        if length < 0.7 or kind == "open":
            continue
        matrix = grid.beside(block, row.side, low, block.pavement + 0.06)
        if kind == "hedge":
            build = partial(plants.hedge_mesh, length, 0.9 + seed % 70 / 100, seed)
            things.stand("tree", matrix, build)
        elif kind == "wall":
            wall = tinted(BRICKS[seed % len(BRICKS)], 0.9)
            build = partial(furniture.garden_wall_mesh, length, 0.55 + seed % 50 / 100, wall)
            things.stand("building", matrix, build)
        else:
            maker = furniture.railing_mesh if kind == "railing" else furniture.panel_fence_mesh
            things.stand("fence", matrix, partial(maker, length, str(seed)))
    for _ in range(random.randint(0, 2)):
        along = random.uniform(*span)
        if abs(along - entry) > 1.0 and gap > 1.8:
            number = random.randrange(6)
            matrix = grid.beside(block, row.side, along, block.pavement + gap * random.uniform(0.45, 0.7))
            things.stand("tree", matrix, partial(plants.bush_mesh, number), f"bush {number}")
    if gap > 3 and random.random() < 0.25:
        along = span[0] + 1.2
        matrix = grid.beside(block, row.side, along, block.pavement + gap * 0.5, turn=random.uniform(0, 6))
        add_tree(things, matrix, random, random.uniform(0.45, 0.7))


def add_furniture(things: Things, grid: Grid, block: CityBlock, seed: int) -> None:
    """Add lamp posts, trees, signs, lights, bollards and railings to a block's pavements."""
    random = Random(f"{seed}/furniture/{block.low}")
    for side, street in enumerate(block.streets):
        if street is None:
            continue
        length = block.length(side)
        at = random.uniform(8, 14)
        while at < length - 6:
            matrix = grid.beside(block, side, at, 0.5)
            tall = random.uniform(5.5, 8.0)
            things.stand("pole", matrix, partial(furniture.lamp_mesh, tall, f"{seed}/{street.at}"))
            if street.trees:
                for shift in (9.0, 18.0):
                    if at + shift < length - 8:
                        tree = grid.beside(block, side, at + shift, 0.75, turn=random.uniform(0, 6))
                        add_tree(things, tree, random, 0.8, ("broad", "tall", "bare", "bare"))
            if random.random() < 0.35:
                _sign(things, grid, block, side, at + 4.5, random)
            at += random.uniform(24, 30)
        # Left-hand traffic goes along a block's side in the side's own direction, so it stops at the side's end.
        if random.random() < 0.5:
            _signal(things, grid, block, side, length - CORNER - 1.5, random)
        else:
            _sign(things, grid, block, side, length - CORNER - 2.0, random)
        if random.random() < 0.4:
            low = CORNER + 2.5
            build = partial(furniture.railing_mesh, 6.0, f"{seed}/{side}/{block.low}")
            things.stand("fence", grid.beside(block, side, low, 0.3), build)
        elif random.random() < 0.5:
            for i in range(4):
                build = partial(furniture.bollard_mesh, f"{seed}/{street.at}")
                things.stand("pole", grid.beside(block, side, CORNER + 1 + 1.6 * i, 0.35), build)


def _sign(things: Things, grid: Grid, block: CityBlock, side: int, along: float, random: Random) -> None:
    """A post and one or two plates that face the traffic."""
    if not 3 < along < block.length(side) - 3:
        return
    matrix = grid.beside(block, side, along, random.uniform(0.4, 0.6))
    kind = random.choice(furniture.SIGNS)
    things.stand("pole", matrix, partial(furniture.post_mesh, furniture.PLATE_HEIGHT + 0.4), "post")
    things.stand("sign", matrix, partial(furniture.sign_mesh, kind, f"{random.random()}"))


def _signal(things: Things, grid: Grid, block: CityBlock, side: int, along: float, random: Random) -> None:
    matrix = grid.beside(block, side, along, 0.5)
    things.stand("pole", matrix, partial(furniture.post_mesh, 2.6), "signal post")
    state = "red" if random.random() < 0.4 else "green"
    things.stand("sign", matrix, partial(furniture.signal_mesh, state, f"{random.random()}"))
