"""One large fit on several devices: `torchrun --nproc-per-node=N -m validkit.plnm.deep.launch BANK Y --out FOLDER`.

BANK is a folder written by `ImageBank.save`, Y a .npy file with its outcomes, 0 and 1, in its order. The first process
writes `network.pt` (the weights of the best epoch, for `torch.load(..., weights_only=True)`) and `training.json`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from validkit.durable import write_bytes
from validkit.errors import InputError
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import NAMES, build_network
from validkit.plnm.deep.bank import ImageBank
from validkit.plnm.deep.checkpoint import Checkpoint
from validkit.plnm.deep.crops import Crops
from validkit.plnm.deep.device import seeds, stage
from validkit.plnm.deep.precision import resolve_precision
from validkit.plnm.deep.ranks import start_ranks
from validkit.plnm.deep.sampling import inner_split
from validkit.plnm.deep.training import Fit, Schedule, train
from validkit.plnm.deep.weights import find_weights
from validkit.store import digest, to_json


def main(arguments: list[str] | None = None) -> None:
    """Train; every process runs this."""
    options = _parser().parse_args(arguments)
    bank = ImageBank.from_folder(options.bank)
    y = np.load(options.outcomes, allow_pickle=False)
    if y.shape != (len(bank),) or not np.isin(y, (0, 1)).all():
        raise InputError(f"{options.outcomes} must hold {len(bank)} outcomes 0 or 1, one a crop; got shape {y.shape}")
    place = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", place) if options.device == "cuda" else torch.device("cpu")
    split_seed, torch_seed, order_seed = seeds(options.seed, 3)
    training, validation = inner_split(y.astype(np.int64), options.inner_validation, split_seed)
    schedule = Schedule(options.epochs, options.patience, options.batch_size, options.learning_rate)
    source = find_weights(options.backbone, options.weights)
    made_of = digest("launch", bank.digest, y, json.dumps(vars(options), default=str), source.sha256)
    ranks = start_ranks(device)
    try:
        with stage(device, seed=torch_seed, threads=options.threads, deterministic=not options.fastest):
            network = build_network(options.backbone, source, bank.image_size).to(device)
            fit = Fit(
                module=network,
                inputs=Crops(bank, Augmentation(crop=min(0.15, bank.margin)), device),
                y=y.astype(np.int64),
                training=training,
                validation=validation,
                schedule=schedule,
                seed=order_seed,
                label=options.backbone,
                precision=resolve_precision(options.precision, device),
                checkpoint=Checkpoint(options.out / "epoch.unfinished", made_of),
            )
            done = train(fit)
        if ranks.first:
            buffer = io.BytesIO()
            torch.save({name: value.cpu() for name, value in network.state_dict().items()}, buffer)
            write_bytes(options.out / "network.pt", buffer.getvalue())
            facts = {"processes": ranks.world, "inner_rows": validation.tolist(), **asdict(done)}
            write_bytes(options.out / "training.json", to_json(facts).encode())
            (options.out / "epoch.unfinished").unlink(missing_ok=True)
    finally:
        distributed.destroy_process_group()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torchrun -m validkit.plnm.deep.launch", description=__doc__)
    parser.add_argument("bank", type=Path)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--backbone", choices=NAMES, default="densenet121")
    parser.add_argument("--weights", default="imagenet", help="imagenet, none, or a path")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("auto", "fp32", "tf32", "bf16"), default="auto")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--patience", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32, help="of all processes together")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--inner-validation", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=3407)
    parser.add_argument("--fastest", action="store_true", help="algorithms that need not give the same bytes twice")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each process")
    return parser


if __name__ == "__main__":
    main()
