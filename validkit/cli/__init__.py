"""The commands: parse, call, show. Exit 0 done, 1 a declared acceptance failed, 2 bad input."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.console import Console
from rich.table import Table as RichTable

from validkit import __version__
from validkit.cli import protocols, records
from validkit.cli.options import AsJson, CohortPath, Device, Engine, LedgerFile, Overrides, ProtocolName, print_json
from validkit.cli.terminal import Terminal
from validkit.errors import ValidkitError

BINDING = ("sealed", "opening", "looks", "fits", "sentinels")
"""records of run.json that `validkit run --json` prints beside the evaluation"""

app = typer.Typer(
    name="validkit",
    help="Runs a clinical prediction model under a declared protocol and judges it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(protocols.app, name="protocol")
app.add_typer(records.app, name="ledger")
app.command("verify")(records.verify)


@app.command()
def run(
    protocol: ProtocolName,
    cohort: CohortPath = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/NAME.")] = None,
    device: Device = "auto",
    engine: Engine = "loky",
    cache: Annotated[Path | None, typer.Option(help="Where extracted features are kept for every run.")] = None,
    ledger: LedgerFile = None,
    sentinels: Annotated[bool, typer.Option("--sentinels", help="Run every leakage sentinel.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole model under a protocol, to a report. Run again, it resumes.

    Exit 1 where the protocol's acceptance criteria are not met, or undecided unless it says that they may be.
    """
    from validkit.external import bound
    from validkit.protocol import read_protocol, source_of
    from validkit.report import render_report, summary
    from validkit.run import run_protocol

    console = Console(stderr=as_json)
    declared = bound(read_protocol(protocol, overrides or ()))
    folder = out or Path("runs") / declared.protocol.name
    terminal = Terminal(console)
    console.print(f"[bold]{declared.protocol.name}[/bold]  digest {declared.digest()[:12]}  into {folder}")
    try:
        run_protocol(
            declared,
            out=folder,
            cohort=cohort,
            overrides=overrides or (),
            source=source_of(protocol),
            device=device,
            engine=engine,
            cache=cache,
            ledger=ledger,
            sentinels=sentinels,
            reporter=terminal,
        )
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on where this one was")
        raise typer.Exit(130) from None
    terminal.say("drawing the report")
    render_report(folder)
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if as_json:
        evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        print_json(evaluation | {key: record.get(key) for key in BINDING} | {"folder": str(folder)})
    else:
        console.print(summary(folder))
    acceptance = record.get("acceptance")
    if acceptance and acceptance["exit_code"]:
        raise typer.Exit(1)


@app.command()
def plan(
    protocol: ProtocolName,
    cohort: CohortPath = None,
    device: Device = "auto",
    engine: Engine = "loky",
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Print what a run would do before anything runs: splits, tasks, seeds, fits, estimated time."""
    from validkit.durable import default_cache
    from validkit.engine import workers
    from validkit.external import bound
    from validkit.plan_table import plan_record, render_plan
    from validkit.planned import plan_of
    from validkit.protocol import read_protocol
    from validkit.provenance import resolve_device
    from validkit.timings import known_timings

    declared, chosen = bound(read_protocol(protocol, overrides or ()), needed=False), resolve_device(device)
    known = known_timings(default_cache(), chosen)
    planned = plan_of(declared, cohort, device=chosen, known=known, reporter=Terminal(Console(stderr=True)))
    facts: dict[str, Any] = {
        "patients": len(planned.plan.patients),
        "workers": workers(engine),
        "device": chosen,
        "learned": bool(known),
    }
    if as_json:
        record = plan_record(planned.tasks, planned.plan.units, **facts)
        print_json(record | {"protocol": declared.protocol.name, "digest": declared.digest()})
    else:
        Console().print(render_plan(planned.tasks, planned.plan.units, **facts))


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist or be empty.")],
    patients: Annotated[int, typer.Option(min=20)] = 421,
    sites: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    kind: Annotated[str, typer.Option(help="plnm (with images), clinical, or predictions (tables).")] = "plnm",
    missing: Annotated[float, typer.Option(min=0.0, max=0.9, help="Share of missing cells, for clinical.")] = 0.0,
    engine: Engine = "loky",
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort: B-mode images, three outlines of each lesion, clinical columns; or a table alone."""
    from validkit.cohort.phantom import write_phantom, write_table_phantom
    from validkit.errors import InputError

    console = Console(stderr=as_json)
    if kind == "plnm" and missing == 0.0:
        folder = write_phantom(
            out, patients=patients, sites=sites, seed=seed, engine=engine, reporter=Terminal(console)
        )
    elif kind in ("clinical", "predictions"):
        table = cast(Literal["clinical", "predictions"], kind)
        folder = write_table_phantom(out, table, patients=patients, sites=sites, seed=seed, missing=missing)
    elif kind == "plnm":
        raise InputError("--missing is for --kind clinical")
    else:
        raise InputError(f"--kind must be plnm, clinical or predictions; got {kind!r}")
    facts = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    if as_json:
        print(json.dumps(facts, sort_keys=True))
    else:
        console.print(f"{patients} simulated patients in {folder}")


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Draw the report of a run again, from its records."""
    from validkit.report import render_report

    Console().print(f"report: {render_report(folder)}")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this installation can do, and what is guarded."""
    from validkit.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([finding.to_dict() for finding in findings], indent=1))
        return
    table = RichTable("", "part", "finding", box=None, show_header=False, padding=(0, 1))
    marks = {"ok": "[green]ok[/green]", "absent": "[yellow]absent[/yellow]", "guarded": "[cyan]guarded[/cyan]"}
    for finding in findings:
        table.add_row(marks[finding.outcome], finding.part, finding.text)
    Console().print(table)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"validkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> Any:
    """The console command: errors that a user can mend are one message and exit status 2."""
    # OpenMP's threads otherwise spin while they wait, which on a busy machine makes training many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(args=arguments)
    except ValidkitError as error:
        Console(stderr=True).print(f"[bold red]error:[/bold red] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        Console(stderr=True).print(f"[bold red]error:[/bold red] {_plain(f'{error.strerror or error}{place}')}")
        sys.exit(2)


def _plain(text: str) -> str:
    """Text with nothing that rich would take for markup."""
    from rich.markup import escape

    return escape(text)
