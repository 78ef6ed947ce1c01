"""`validkit bundle ...`: look at a locked model, check it whole, sign it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from validkit.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from validkit.bundle import Locked

app = typer.Typer(help="Look at locked models, check and sign them.", no_args_is_help=True)

BundleFile = Annotated[Path, typer.Argument(help="The file that a run wrote: RUN/bundle.zip.")]
SHOWN = {"auc": "AUC", "oe": "O:E", "slope": "calibration slope", "brier": "Brier score"}
"""statistics of development that are printed"""


@app.command("show")
def show(file: BundleFile, as_json: AsJson = False) -> None:
    """Print what a locked model needs, how it did at home, and what travels with it."""
    from validkit.bundle import read_bundle

    locked = read_bundle(file)
    if as_json:
        told = {"sha256": locked.digest, "differing": list(locked.differing), "lineage": _lineage(locked)}
        print_json(told | {"manifest": locked.manifest.model_dump(mode="json")}, schema="bundle")
        return
    console = Console()
    for text in _facts(locked):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    console.print(_needs(locked))
    console.print(_performance(locked))


@app.command("verify")
def verify(
    file: BundleFile,
    key: Annotated[Path | None, typer.Option(help="Public key (PEM) of whoever signed it.")] = None,
    signature: Annotated[Path | None, typer.Option(help="The signature; by default FILE.sig.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The digest that its makers told you.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every byte, the signature, and that the reference cases are predicted here as at home."""
    from validkit.bundle import read_bundle
    from validkit.bundle.reference import replay
    from validkit.bundle.signing import check_signature
    from validkit.errors import InputError

    if signature is not None and key is None:
        raise InputError("--signature needs --key, the public key of whoever should have made it")
    if key is not None:
        check_signature(file, key, signature)
    locked = read_bundle(file)
    if sha256 is not None and sha256.strip().lower() != locked.digest:
        raise InputError(f"{file} has SHA-256 {locked.digest}, not {sha256}: it is another file; do not use it")
    furthest = replay(locked, file)
    found: dict[str, Any] = {
        "sha256": locked.digest,
        "signed": key is not None,
        "reference_cases": locked.manifest.reference,
        "largest_difference": furthest,
        "differing": list(locked.differing),
    }
    if as_json:
        print_json(found, schema="bundle-verify")
        return
    told = "" if sha256 is None else ", as its makers told"
    signed = f"signed by the owner of {key}" if key else "no signature was asked for (--key)"
    cases = (
        f"{locked.manifest.reference} reference cases: predictions differ by at most {furthest:.1g} from those at home"
        if furthest is not None
        else "it has no reference cases: nothing shows that this machine predicts as the one at home"
    )
    lines = [f"{file}: whole, SHA-256 {locked.digest}{told}", signed, cases]
    lines += [f"other versions here: {'; '.join(locked.differing)}"] if locked.differing else []
    for line in lines:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


@app.command("key")
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; FILE.pub gets the public one.")],
    as_json: AsJson = False,
) -> None:
    """Make an Ed25519 key pair: the private key signs, the public one goes to every centre."""
    from validkit.bundle.signing import make_key

    private, public = make_key(file)
    if as_json:
        print_json({"private": str(private), "public": str(public)}, schema="bundle-key")
    else:
        print(f"{private}: private key, yours alone\n{public}: public key, for everyone who gets a bundle")


@app.command("sign")
def sign(
    file: BundleFile,
    key: Annotated[Path, typer.Option(help="Your private key (PEM, Ed25519).")],
    as_json: AsJson = False,
) -> None:
    """Write FILE.sig, a detached signature; the bundle is checked first."""
    from validkit.bundle import read_bundle
    from validkit.bundle.signing import sign as sign_bundle

    locked = read_bundle(file)
    signature = sign_bundle(file, key)
    if as_json:
        told = {"file": str(file), "sha256": locked.digest, "signature": str(signature)}
        print_json(told, schema="bundle-sign")
    else:
        print(f"{signature}: signature of {file}")


def _lineage(locked: Locked) -> list[dict[str, Any]]:
    """Who updated the model after it was fitted, and how."""
    return [
        {
            "method": step.method,
            "parent": step.parent,
            "n": step.n,
            "events": step.events,
            "harmonised": step.measured is not None,
        }
        for step in locked.updates
    ]


def _facts(locked: Locked) -> list[str]:
    told = locked.manifest
    made = "simulated patients" if told.synthetic else "patients"
    rows = ", ".join(told.training_rows)
    lines = [
        f"model {told.protocol.name!r}: {told.protocol.question}",
        f"SHA-256 {locked.digest}, format {told.format}, protocol {told.protocol.digest[:12]}",
        f"event: {told.outcome['positive']}; otherwise {told.outcome['negative']}",
        f"fitted to {told.training.n} {made}, {told.training.events} events, in {told.copies} completed copies"
        if told.copies > 1
        else f"fitted to {told.training.n} {made}, {told.training.events} events",
        f"holds rows of training patients: {rows}" if rows else "holds no row of a training patient",
        f"{told.reference} reference cases" if told.reference else "no reference cases",
        f"with {', '.join(f'{name} {version}' for name, version in sorted(told.versions.items()))}",
    ]
    lines += [
        f"updated: {step.method}, by a centre with {step.n} patients, {step.events} events"
        f"{', its measurements harmonised' if step.measured else ''}; from the bundle {step.parent[:12]}"
        for step in locked.updates
    ]
    if told.images is not None:
        images = told.images
        lines.append(
            f"needs an image and an outline of the lesion: {len(images.features)} radiomic features ({images.preset}), "
            f"crops of {images.image_size} px"
        )
    return lines + [f"left out: {name}, which {why}" for name, why in told.left_out.items()]


def _needs(locked: Locked) -> Table:
    table = Table("predictor", "label", "kind", "unit or levels", "at home", "missing there", box=None, padding=(0, 1))
    for name, one in locked.manifest.predictors.items():
        seen = one.observed
        span = ", ".join(seen.levels)
        if seen.low is not None and seen.high is not None:
            ordinal = one.kind == "ordinal"
            low, high = (one.levels[int(x)] if ordinal else f"{x:g}" for x in (seen.low, seen.high))
            span = f"{low} to {high}"
        needed = "" if one.needed else " (not needed)"
        cells = (f"{name}{needed}", one.label, one.kind, one.unit or ", ".join(one.levels), span, f"{seen.missing}")
        table.add_row(*map(Text, cells))
    return table


def _performance(locked: Locked) -> Table:
    told = locked.manifest
    title = Text(f"on {told.performance_on} patients at home")
    table = Table("model", *SHOWN.values(), "threshold", title=title, box=None)
    for name, found in told.performance.items():
        threshold = told.thresholds.get(name)
        cells = [_estimate(found.get(key)) for key in SHOWN]
        table.add_row(*map(Text, (name, *cells, "" if threshold is None else f"{threshold:.3f}")))
    return table


def _estimate(found: Any) -> str:
    if not isinstance(found, dict) or found.get("value") is None:
        return "undefined"
    ends = [found.get("low"), found.get("high")]
    return f"{found['value']:.3f}" + ("" if None in ends else f" [{ends[0]:.3f}, {ends[1]:.3f}]")
