"""Simulate every cell, block by block, on every processor; what is counted is kept, so a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from validkit.certify.cells import Cell
from validkit.certify.groups import GROUPS, Group
from validkit.certify.tally import Key, Tally, add, merged, truth_of
from validkit.durable import make_folder
from validkit.engine import Reporter, Silent, map_tasks

__all__ = ["Block", "certify", "sample", "simulate", "tallies_of"]

JOURNAL = "tallies.jsonl"
BLOCK = {True: 1000, False: 100}
"""simulations in a block: of closed forms, and of what is resampled"""
RECIPE = 1
"""raised whenever a change to a cell or a group makes counts of before unfit to be added to those of after"""


@dataclass(frozen=True)
class Block:
    """Some simulations of a group in a cell; its seed follows from its identity."""

    cell: Cell
    group: str
    number: int
    size: int
    seed: int = 0

    @property
    def key(self) -> str:
        """Its identity."""
        return "|".join([str(RECIPE), str(self.seed), self.cell.name, self.group, str(self.number), str(self.size)])

    @property
    def generator(self) -> np.random.Generator:
        """Its own stream of chance."""
        return np.random.default_rng(list(hashlib.sha256(self.key.encode()).digest()))


def simulate(block: Block) -> list[dict[str, Any]]:
    """The tallies of a block, as plain records."""
    group = next(one for one in GROUPS if one.name == block.group)
    cell, rng, population = block.cell, block.generator, block.cell.population()
    truths = _Truths(cell)
    tallies: dict[Key, Tally] = {}
    for _ in range(block.size):
        add(tallies, group.compute(sample(cell, population, rng), cell, rng), truths)
    return [{"measure": key[0], "method": key[1], **asdict(tally)} for key, tally in tallies.items()]


class _Truths(dict[str, float]):
    """True values, looked up once each."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell, self.known = cell, cell.truths()

    def __missing__(self, measure: str) -> float:
        self[measure] = truth_of(self.cell, self.known, measure)
        return self[measure]


def sample(cell: Cell, population: Any, rng: np.random.Generator) -> Any:
    """What a group computes on: a sample; of sites, logit(AUC) of each, their errors, and a new site's own."""
    if cell.kind != "sites":
        return population.sample(cell.n, rng)
    from scipy.special import logit

    from validkit import stats

    areas = [stats.auc(*site.sample(cell.n, rng)) for site in population.draw(rng)]
    values = np.array([one.value for one in areas])
    se = np.array([one.se for one in areas]) / (values * (1 - values))
    return logit(values), se, float(logit(population.draw(rng)[0].auc))


def certify(
    cells: Sequence[Cell],
    *,
    folder: Path,
    groups: Sequence[Group] = GROUPS,
    simulations: int | None = None,
    seed: int = 0,
    engine: str = "loky",
    reporter: Reporter | None = None,
) -> dict[tuple[Cell, str], dict[Key, Tally]]:
    """(cell, group) -> {(measure, method): tally}, for every group that applies to a cell.

    folder : holds the journal of blocks; a run that was stopped goes on where it was
    simulations : a cell's, for every group; each group's own number where None
    engine : as `engine.map_tasks` takes it; whichever, the counts are the same
    """
    make_folder(folder)
    blocks = list(_blocks(cells, groups, simulations, seed))
    done = _read(folder / JOURNAL)
    left = [block for block in blocks if block.key not in done]
    reporter = reporter or Silent()
    if len(left) < len(blocks):
        reporter.say(f"{len(blocks) - len(left)} of {len(blocks)} blocks were simulated before")
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:

        def keep(block: Block, tallies: list[dict[str, Any]]) -> None:
            done[block.key] = tallies
            journal.write(json.dumps({"key": block.key, "tallies": tallies}) + "\n")
            journal.flush()

        map_tasks(simulate, left, engine=engine, label="simulations", reporter=reporter, on_result=keep)
    gathered: dict[tuple[Cell, str], list[Mapping[Key, Tally]]] = defaultdict(list)
    for block in blocks:
        gathered[block.cell, block.group].append(tallies_of(done[block.key]))
    return {where: merged(parts) for where, parts in gathered.items()}


def _blocks(cells: Sequence[Cell], groups: Sequence[Group], simulations: int | None, seed: int) -> Iterable[Block]:
    for group in groups:
        for cell in cells:
            if cell.kind != group.kind or not group.applies(cell):
                continue
            wanted, size = simulations or group.simulations, BLOCK[group.plain]
            for number, start in enumerate(range(0, wanted, size)):
                yield Block(cell, group.name, number, min(size, wanted - start), seed)


def tallies_of(records: list[dict[str, Any]]) -> dict[Key, Tally]:
    """The records of `simulate` as tallies."""
    return {
        (one["measure"], one["method"]): Tally(**{k: v for k, v in one.items() if k not in ("measure", "method")})
        for one in records
    }


def _read(journal: Path) -> dict[str, list[dict[str, Any]]]:
    """Finished blocks; a line that was cut off by a stop is left out, and its block simulated again."""
    if not journal.exists():
        return {}
    text = journal.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        journal.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")
    found = {}
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[record["key"]] = record["tallies"]
    return found
