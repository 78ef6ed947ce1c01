"""Throughput of the deep core, beside the usual recipe and beside the device's own limit, in one run.

`python -m benchmarks gpu --device auto --json OUT` measures; `--small` is the form that finishes on two processors in
minutes. It needs torch, torchvision, Pillow and NumPy alone, so that it runs on a bare GPU machine. Figures belong to
the device that the record names; a record of a CPU holds none of a GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image

from benchmarks import recipe
from benchmarks.roofline import Rates, layers_of, limit, measured_rates, operations, seconds_of, synchronise
from validkit.durable import write_text
from validkit.plnm.deep.augment import Augmentation
from validkit.plnm.deep.backbones import Network, build_network
from validkit.plnm.deep.bank import ImageBank, join_banks
from validkit.plnm.deep.crops import Crops
from validkit.plnm.deep.cutting import build_bank
from validkit.plnm.deep.device import stage, torch_device
from validkit.plnm.deep.embedding import infer
from validkit.plnm.deep.precision import Precision, computing, resolve_precision
from validkit.plnm.deep.sampling import inner_split
from validkit.plnm.deep.training import TOGETHER, Fit, Schedule, Training, train, train_together, update_of
from validkit.plnm.deep.weights import Source

RESULTS = Path(__file__).with_name("results")
BACKBONES = ("densenet121", "resnet50", "alexnet")
PATIENTS, EVENTS = 294, 75
"""training patients of the paper, and how many of them have the event"""
NESTED_SIZES = (336, 269, 12)
"""plnm-nested: patients of a split's training part and of an inner fold's, and epochs; six units of 1 + 5 fits"""


@dataclass(frozen=True)
class Steady:
    """Images a second once everything is warm. seconds : of one batch; at_limit : the least it could take there."""

    work: str
    backbone: str
    precision: str
    batch: int
    image_size: int
    deterministic: bool
    seconds: float
    images_per_second: float
    flops: float
    at_limit: float
    share_of_limit: float
    peak_bytes: int | None
    joules_per_image: float | None


@dataclass(frozen=True)
class Against:
    """Ours and a peer's wall times of the same work, taken turn by turn; required : the ratio that is asked for."""

    work: str
    peer: str
    ours: list[float]
    theirs: list[float]
    required: float | None

    @property
    def ratio(self) -> float:
        return float(np.median(self.theirs) / np.median(self.ours))


@dataclass(frozen=True)
class Cost:
    """Wall time of our own work, beside no peer."""

    work: str
    seconds: float


@dataclass
class Plan:
    """What is measured: sizes that suit the device."""

    device: torch.device
    small: bool
    backbones: tuple[str, ...] = BACKBONES
    steady: list[tuple[str, int, int, bool]] = field(default_factory=list)
    image_size: int = 224
    patients: int = PATIENTS
    epochs: int = 30
    batch: int = 32
    embedded: int = 421
    fits: int = 30
    turns: int = 3
    least: float = 0.2

    @classmethod
    def of(cls, device: torch.device, *, small: bool) -> Plan:
        if small:
            return cls(
                device,
                small=True,
                backbones=("resnet50",),
                steady=[("fp32", 4, 32, True), ("bf16", 4, 32, True)],
                image_size=32,
                patients=24,
                epochs=1,
                batch=8,
                embedded=24,
                fits=2,
                turns=1,
                least=0.01,
            )
        if device.type == "cuda":
            shapes = [(precision, batch, 224, True) for precision in ("fp32", "tf32", "bf16") for batch in (32, 256)]
            shapes += [("bf16", batch, 224, False) for batch in (32, 256)]
            shapes += [("bf16", 512, 224, True), ("bf16", 256, 128, True), ("bf16", 64, 384, True)]
            return cls(device, small=False, steady=shapes)
        shapes = [("fp32", 16, 224, True), ("bf16", 16, 224, True)]
        return cls(device, small=False, steady=shapes, epochs=1, turns=1, fits=2)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--json", type=Path, help="where the figures are written (default: benchmarks/results)")
    parser.add_argument("--small", action="store_true", help="a few small shapes: whether it runs, not how fast it is")
    parser.add_argument("--only", default="", help="the parts whose name contains this: " + ", ".join(PARTS))
    parser.add_argument("--markdown", action="store_true", help="only print the written figures as the README has them")


def run(options: argparse.Namespace) -> int:
    device = torch_device(options.device)
    path = options.json or RESULTS / f"gpu-{'small' if options.small else device.type}.json"
    if options.markdown:
        print(markdown(json.loads(path.read_text(encoding="utf-8"))))
        return 0
    plan = Plan.of(device, small=options.small)
    if device.type != "cuda":
        print("no CUDA device: the figures are those of this CPU, and none is a GPU's")
    record: dict[str, Any] = {"machine": machine(device), "small": options.small, "parts": {}}
    record["parts"] = parts_before(path, record)
    for name, part in PARTS.items():
        if options.only not in name:
            continue
        print(f"... {name}", flush=True)
        rows = []
        for row in part(plan):
            rows.append({**asdict(row), **({"ratio": row.ratio} if isinstance(row, Against) else {})})
            print("   ", line(rows[-1]), flush=True)
            record["parts"][name] = rows
            write_text(path, json.dumps(record, indent=1) + "\n")  # a run that is cut off keeps what it measured
    print(f"written to {path}")
    return 0


def parts_before(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What an earlier run measured on the same machine, which a run of other parts keeps."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    same = all(before.get(key) == record[key] for key in ("machine", "small"))
    return dict(before["parts"]) if same else {}


# --- the parts -----------------------------------------------------------------------------------------


def steady(plan: Plan) -> Iterator[Steady]:
    """Training and embedding of batch after batch, beside the limit."""
    rates: dict[str, Rates] = {}
    for name, batch, size, deterministic in plan.steady:
        precision = precision_of(name)
        if name not in rates:
            rates[name] = measured_rates(plan.device, precision, small=plan.small, least=plan.least)
        bank = bank_of(batch, size)
        for backbone in plan.backbones:
            for work in ("train", "embed"):
                yield _steady(plan, work, backbone, precision, batch, bank, rates[name], deterministic=deterministic)


def _steady(
    plan: Plan,
    work: str,
    backbone: str,
    precision: Precision,
    batch: int,
    bank: ImageBank,
    rates: Rates,
    *,
    deterministic: bool,
) -> Steady:
    device, size = plan.device, bank.image_size
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    with stage(device, seed=0, threads=recipe.processors(), deterministic=deterministic):
        network = network_of(backbone, size, device)
        layers = layers_of(network, size, device)
        crops = Crops(bank, Augmentation(), device)
        rows = torch.arange(batch, device=device)
        once: Callable[[], Any]
        if work == "train":
            draws = torch.from_numpy(crops.draw(np.random.default_rng(0), batch)).to(device)
            y = np.arange(batch) % 2
            fit = Fit(network, crops, y, np.arange(batch), np.arange(batch), Schedule(), 0, backbone, precision)
            update = update_of(fit)
            network.train()
            once = lambda: update(rows, draws)  # noqa: E731
        else:
            network.eval()

            def once() -> Any:
                with torch.no_grad(), computing(precision, device):
                    return network.pool(network.features(crops.plain(rows)))

        before = energy(device)
        begin = time.perf_counter()
        seconds = seconds_of(once, device, least=plan.least)
        synchronise(device)
        spent, wall = energy(device), time.perf_counter() - begin
    joules = None if before is None or spent is None else (spent - before) / (wall / seconds) / batch
    least = limit(layers, rates, precision, batch, size, train=work == "train")
    return Steady(
        work=work,
        backbone=backbone,
        precision=precision,
        batch=batch,
        image_size=size,
        deterministic=deterministic,
        seconds=seconds,
        images_per_second=batch / seconds,
        flops=operations(layers, batch, train=work == "train") / seconds,
        at_limit=least,
        share_of_limit=least / seconds,
        peak_bytes=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        joules_per_image=joules,
    )


def paper(plan: Plan) -> Iterator[Against]:
    """The paper's own work: every backbone fine-tuned on its training patients, from images in memory to weights."""
    bank, images, y = cohort_of(plan.patients, plan.image_size)
    training, validation = inner_split(y, 0.2, 0)
    for backbone in plan.backbones:

        def ours(backbone: str = backbone) -> Any:
            return fine_tuned(plan, backbone, bank, y)

        def theirs(backbone: str = backbone) -> Any:
            return recipe.fine_tune(
                backbone,
                [images[i] for i in training],
                y[training],
                ([images[i] for i in validation], y[validation]),
                image_size=plan.image_size,
                batch=plan.batch,
                epochs=plan.epochs,
                device=plan.device,
            )

        work = f"fine-tune {backbone}: {plan.patients} images of {plan.image_size} px, batch {plan.batch}"
        yield by_turns(plan, f"{work}, {plan.epochs} epochs", ours, theirs, required(plan, 8))


def embedding(plan: Plan) -> Iterator[Against]:
    """A cohort's embedding, start to finish: from ultrasound images and outlines in memory to a table."""
    pixels, masks = ultrasound(plan.embedded)
    images = [Image.fromarray(one) for one in pixels]
    boxes = [Image.fromarray(mask).getbbox() or (0, 0, *mask.shape[::-1]) for mask in masks]
    for backbone in plan.backbones:

        def ours(backbone: str = backbone) -> Any:
            bank = cut_side_by_side(pixels, masks, plan.image_size)
            with stage(plan.device, seed=0, threads=recipe.processors()):
                network = network_of(backbone, plan.image_size, plan.device)
                return infer(network, bank, device=plan.device, precision=auto(plan.device)).embedding

        def theirs(backbone: str = backbone) -> Any:
            size, batch = plan.image_size, plan.batch
            return recipe.embed(backbone, images, boxes, image_size=size, batch=batch, device=plan.device)

        work = f"embed {plan.embedded} lesions at {plan.image_size} px with {backbone}, start to finish"
        yield by_turns(plan, work, ours, theirs, required(plan, 5))


def cut_side_by_side(pixels: np.ndarray, masks: np.ndarray, image_size: int) -> ImageBank:
    """As `plnm.banks` does through the engine, here with the standard library's processes."""
    workers = recipe.processors()
    parts = np.array_split(np.arange(len(pixels)), 2 * workers)
    with ProcessPoolExecutor(workers) as pool:
        work = [(pixels[part], masks[part], image_size) for part in parts if len(part)]
        return join_banks(list(pool.map(cut, work)))


def cut(part: tuple[np.ndarray, np.ndarray, int]) -> ImageBank:
    pixels, masks, image_size = part
    return build_bank(zip(pixels.astype(np.float64), masks, strict=True), image_size=image_size, margin=0.15)


def ultrasound(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Speckled frames of 600 x 800 pixels, and outlines of lesions a third as wide; (n, 600, 800) uint8 and bool."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:600, :800]
    frames = np.clip(rng.gamma(4.0, 25.0, (8, 600, 800)), 0, 255).astype(np.uint8)
    masks = np.stack([((rows - 300) / 120) ** 2 + ((columns - 400 - 5 * k) / 140) ** 2 <= 1 for k in range(8)])
    return frames[np.arange(n) % 8], masks[np.arange(n) % 8]


def together(plan: Plan) -> Iterator[Against]:
    """Many small fits side by side, against the same fits one after another."""
    bank, _, y = cohort_of(plan.patients, plan.image_size)
    names, epochs = plan.backbones, max(plan.epochs // 10, 1)

    def fits() -> list[Fit]:
        return [fit_of(plan, names[k % len(names)], bank, y, seed=k, epochs=epochs) for k in range(plan.fits)]

    def side_by_side() -> Any:
        with stage(plan.device, seed=0, threads=recipe.processors()):
            return train_together(fits())

    def one_after_another() -> Any:
        with stage(plan.device, seed=0, threads=recipe.processors()):
            return [train(fit) for fit in fits()]

    work = f"{plan.fits} fits of {plan.patients} images, {epochs} epochs"
    yield by_turns(plan, work, side_by_side, one_after_another, required(plan, 2), peer="one after another")


def forward(plan: Plan) -> Iterator[Against]:
    """On the CPU: channels last in bfloat16 where the processor has it, against single precision, NCHW, eager."""
    if plan.device.type != "cpu":
        return
    batch = 4 if plan.small else 16
    fast: Precision = "bf16" if bfloat16_here() else "fp32"
    for backbone in plan.backbones:
        if backbone == "alexnet":
            continue
        x = torch.randn(batch, 1, plan.image_size, plan.image_size)
        ours_net = network_of(backbone, plan.image_size, plan.device).eval()
        theirs_net = recipe.network_of(backbone).eval()
        three = x.expand(-1, 3, -1, -1).contiguous()

        def ours(network: Network = ours_net, x: torch.Tensor = x) -> Any:
            with torch.no_grad(), computing(fast, plan.device):
                return network(x)

        def theirs(network: torch.nn.Module = theirs_net, x: torch.Tensor = three) -> Any:
            with torch.no_grad():
                return network(x)

        work = f"forward {backbone}, batch {batch}, {plan.image_size} px, channels last, {fast}"
        wanted = None if plan.small else 2.0
        yield by_turns(plan, work, ours, theirs, wanted, peer="NCHW, fp32, eager", turns=3 if plan.small else 7)


def study(plan: Plan) -> Iterator[Cost]:
    """All trainings of plnm-nested with the paper's three networks, and how the cost of an epoch grows."""
    cuda, (training, rest, epochs) = plan.device.type == "cuda", NESTED_SIZES
    if cuda:
        yield _nested(plan, [training] * 6 + [rest] * 30, epochs, "all trainings of plnm-nested, n = 421")
    for patients in (421, 2000, 10_000) if cuda else (plan.patients,):
        for size in (128, 224, 384) if cuda else (plan.image_size,):
            bank, _, y = cohort_of(patients, size)
            fits = [fit_of(plan, name, bank, y, seed=0, epochs=1, size=size) for name in plan.backbones]
            yield _cost(plan, fits, f"one epoch of {len(fits)} networks side by side, n = {patients}, {size} px")


def _nested(plan: Plan, sizes: list[int], epochs: int, work: str) -> Cost:
    bank, _, y = cohort_of(421, plan.image_size)
    start, seconds, at_once = 0, 0.0, TOGETHER[plan.device.type]
    tasks = [(name, n, seed) for name in plan.backbones for seed, n in enumerate(sizes)]
    while start < len(tasks):
        fits = []
        for name, n, seed in tasks[start : start + at_once]:
            rows = np.random.default_rng(seed).permutation(len(y))[:n]
            fits.append(fit_of(plan, name, bank.take(rows), y[rows], seed=seed, epochs=epochs))
        seconds += _cost(plan, fits, "").seconds
        start += at_once
    return Cost(f"{work}: {len(tasks)} fits of {epochs} epochs, {plan.image_size} px", seconds)


def _cost(plan: Plan, fits: list[Fit], work: str) -> Cost:
    start = time.perf_counter()
    with stage(plan.device, seed=0, threads=recipe.processors()):
        train_together(fits)
        synchronise(plan.device)
    return Cost(work, time.perf_counter() - start)


PARTS: dict[str, Callable[[Plan], Iterator[Any]]] = {
    "steady": steady,
    "paper": paper,
    "embedding": embedding,
    "together": together,
    "forward": forward,
    "study": study,
}


# --- what they share -----------------------------------------------------------------------------------


def by_turns(
    plan: Plan,
    work: str,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    wanted: float | None,
    *,
    peer: str = "usual recipe",
    turns: int | None = None,
) -> Against:
    """Wall times of both, in turn, after one of each that is not counted."""
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    count = turns or plan.turns
    for turn in range(count + (0 if plan.device.type == "cpu" and turns is None else 1)):
        for name, one in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            one()
            synchronise(plan.device)
            if turn or count == 1:
                times[name].append(time.perf_counter() - start)
    return Against(work, peer, times["ours"], times["theirs"], wanted)


def fine_tuned(plan: Plan, backbone: str, bank: ImageBank, y: np.ndarray) -> Training:
    with stage(plan.device, seed=0, threads=recipe.processors()):
        return train(fit_of(plan, backbone, bank, y, seed=0, epochs=plan.epochs))


def fit_of(
    plan: Plan, backbone: str, bank: ImageBank, y: np.ndarray, *, seed: int, epochs: int, size: int | None = None
) -> Fit:
    training, validation = inner_split(y, 0.2, 0)
    network = network_of(backbone, size or plan.image_size, plan.device)
    schedule = Schedule(epochs=epochs, patience=epochs, batch_size=plan.batch)
    crops = Crops(bank, Augmentation(), plan.device)
    return Fit(network, crops, y, training, validation, schedule, seed, backbone, auto(plan.device))


def network_of(backbone: str, image_size: int, device: torch.device) -> Network:
    return build_network(backbone, Source("none"), image_size).to(device)


def bank_of(n: int, image_size: int) -> ImageBank:
    rng = np.random.default_rng(0)
    side = image_size + 2 * math.ceil(round(image_size * 0.15, 9))
    images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
    return ImageBank(images, np.zeros(images.shape, dtype=bool), image_size, 0.15)


def cohort_of(n: int, image_size: int) -> tuple[ImageBank, list[Image.Image], np.ndarray]:
    """A bank, the same crops as PIL images for the recipe, and outcomes at the paper's prevalence; noise throughout."""
    bank = bank_of(n, image_size)
    y = (np.arange(n) < round(n * EVENTS / PATIENTS)).astype(np.int64)
    return bank, [Image.fromarray(crop) for crop in bank.images], y


def auto(device: torch.device) -> Precision:
    return resolve_precision("auto", device)


def precision_of(name: str) -> Precision:
    return resolve_precision(name, torch.device("cuda" if name == "tf32" else "cpu"))


def required(plan: Plan, ratio: float) -> float | None:
    """What is asked for on a CUDA device, in the full form."""
    return ratio if plan.device.type == "cuda" and not plan.small else None


def bfloat16_here() -> bool:
    """Whether the processor multiplies in bfloat16."""
    return "avx512_bf16" in _cpuinfo() or "amx_bf16" in _cpuinfo()


def processor() -> str:
    """Its name as the system gives it, with family, model and stepping where it tells."""
    facts = dict(re.findall(r"^(cpu family|model|model name|stepping)\s*: (.*)$", _cpuinfo(), re.MULTILINE))
    numbers = ", ".join(f"{key.removeprefix('cpu ')} {facts[key]}" for key in facts if key != "model name")
    name = facts.get("model name") or platform.processor() or "unknown"
    return f"{name} ({numbers})" if numbers else name


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def energy(device: torch.device) -> float | None:
    """Joules since the driver was loaded, where it tells."""
    if device.type != "cuda":
        return None
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
        calls = (
            lambda: library.nvmlInit_v2(),
            lambda: library.nvmlDeviceGetHandleByIndex_v2(device.index or 0, ctypes.byref(handle)),
            lambda: library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules)),
        )
        return None if any(call() for call in calls) else millijoules.value / 1e3
    except (OSError, AttributeError):
        return None


def machine(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {
        "processors": recipe.processors(),
        "processor": processor(),
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": "cpu",
        "bfloat16": bfloat16_here(),
    }
    if device.type == "cuda":
        found |= {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def line(row: dict[str, Any]) -> str:
    if "images_per_second" in row:
        return (
            f"{row['work']} {row['backbone']} {row['precision']} batch {row['batch']} {row['image_size']} px"
            f"{'' if row['deterministic'] else ', fastest algorithms'}: "
            f"{row['images_per_second']:,.0f} images/s, {row['flops'] / 1e12:.3g} TFLOP/s, "
            f"{100 * row['share_of_limit']:.0f} % of the limit"
        )
    if "seconds" in row:
        return f"{row['work']}: {row['seconds']:.3g} s"
    ours, theirs = np.median(row["ours"]), np.median(row["theirs"])
    return f"{row['work']}: {ours:.3g} s, {row['peer']} {theirs:.3g} s, ratio {row['ratio']:.3g}"


def markdown(record: dict[str, Any]) -> str:
    """The tables of a written record as they stand in the README."""
    lines = ["| work | validkit | peer | its time | ratio |", "|---|---|---|---|---|"]
    for name in ("paper", "embedding", "together", "forward"):
        for row in record["parts"].get(name, []):
            ours, theirs = np.median(row["ours"]), np.median(row["theirs"])
            lines.append(f"| {row['work']} | {ours:.3g} s | {row['peer']} | {theirs:.3g} s | {row['ratio']:.3g}x |")
    lines += ["", "| in steady state | precision | batch | px | the same bytes twice | images/s | of the limit |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in record["parts"].get("steady", []):
        lines.append(
            f"| {row['work']} {row['backbone']} | {row['precision']} | {row['batch']} | {row['image_size']} | "
            f"{'yes' if row['deterministic'] else 'no'} | {row['images_per_second']:,.0f} | "
            f"{100 * row['share_of_limit']:.0f} % |"
        )
    return "\n".join(lines)
