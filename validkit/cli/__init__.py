"""The commands: parse, call, show. Exit 0 done, 1 a declared acceptance failed, 2 bad input."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from validkit import __version__
from validkit.cli import audits, bundles, centres, certificates, comparisons, protocols, published, records, sizes
from validkit.cli.options import (
    AsJson,
    CohortPath,
    Device,
    Engine,
    Exports,
    LedgerFile,
    Overrides,
    ProtocolName,
    print_json,
)
from validkit.cli.terminal import Terminal
from validkit.errors import ValidkitError

if TYPE_CHECKING:
    from validkit.bundle import Locked
    from validkit.protocol import Protocol

TrainingRows = Annotated[
    bool, typer.Option("--allow-training-rows", help="Let the bundle hold rows of training patients (KNN and SVM do).")
]

app = typer.Typer(
    name="validkit",
    help="Runs a clinical prediction model under a declared protocol and judges it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(protocols.app, name="protocol")
app.add_typer(bundles.app, name="bundle")
app.add_typer(records.app, name="ledger")
app.add_typer(centres.app, name="summary")
app.add_typer(sizes.app, name="sample-size")
app.command("audit")(audits.audit)
app.command("claims")(audits.claims)
app.command("checklist")(audits.checklist)
app.command("certify")(certificates.certify)
app.command("compare")(comparisons.compare)
app.command("pool")(centres.pool)
app.command("schema")(published.schema)
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
    training_rows: TrainingRows = False,
    overrides: Overrides = None,
    exports: Exports = True,
    as_json: AsJson = False,
) -> None:
    """Run the whole model under a protocol, to a report. Run again, it resumes.

    Exit 1 where the protocol's acceptance criteria are not met, or undecided unless it says that they may be.
    """
    from validkit.external import bound
    from validkit.protocol import read_protocol, source_of

    declared = bound(read_protocol(protocol, overrides or ()))
    _carry_out(
        declared,
        Console(stderr=as_json),
        as_json=as_json,
        exports=exports,
        out=out,
        cohort=cohort,
        overrides=overrides or (),
        source=source_of(protocol),
        device=device,
        engine=engine,
        cache=cache,
        ledger=ledger,
        sentinels=sentinels,
        allow_training_rows=training_rows,
    )


@app.command()
def external(
    bundle: bundles.BundleFile,
    cohort: Annotated[Path, typer.Option(help="This centre's folder with cohort.csv, or its table's file.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="What this centre calls what the model needs; by default map.toml in its folder."),
    ] = None,
    draft: Annotated[
        bool, typer.Option("--draft-map", help="Propose such a map from names and values, and do nothing else.")
    ] = False,
    protocol: Annotated[
        str | None, typer.Option(help="A protocol with a [cohort] of its own, instead of a map.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="This centre's name in the summary that may be sent; without it, a number.")
    ] = None,
    update: Annotated[
        str | None,
        typer.Option(
            help="Write the main model, updated with these patients, as RUN/updated.zip: in-the-large, logistic, "
            "platt, isotonic, beta, refit or closed-test. The report judges each."
        ),
    ] = None,
    training_rows: TrainingRows = False,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/external.")] = None,
    device: Device = "auto",
    engine: Engine = "loky",
    cache: Annotated[Path | None, typer.Option(help="Where extracted features are kept for every run.")] = None,
    ledger: LedgerFile = None,
    overrides: Overrides = None,
    exports: Exports = True,
    as_json: AsJson = False,
) -> None:
    """Validate a locked model on a new centre's own files: nothing is fitted, no patient leaves.

    First: validkit external BUNDLE --cohort DIR --draft-map. Correct the map that it writes, then run without it.
    """
    from validkit.bundle import read_bundle
    from validkit.centre import MAP, centre_protocol, home_map, read_map
    from validkit.errors import InputError
    from validkit.external import bound
    from validkit.protocol import parse_protocol, source_of

    console = Console(stderr=as_json)
    locked = read_bundle(bundle)
    if protocol is not None and (map_file is not None or draft):
        raise InputError("--protocol brings its own [cohort]; give it, or --map and --draft-map, not both")
    if draft:
        _draft(locked, cohort, map_file or Path(MAP), as_json=as_json)
        return
    beside = (cohort if cohort.is_dir() else cohort.parent) / MAP
    file = map_file or (beside if beside.is_file() else None)
    if protocol is not None:
        text, settings = source_of(protocol), [*(overrides or ()), f"model.file={json.dumps(str(bundle))}"]
    else:
        centre = home_map(locked) if file is None else read_map(file, locked)
        text, settings = centre_protocol(bundle, locked, centre), list(overrides or ())
        said = (
            f"columns as {file} says" if file else "columns called as at home (no map.toml; --draft-map proposes one)"
        )
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    declared = bound(parse_protocol(text, source=str(protocol or file or bundle), overrides=settings))
    _carry_out(
        declared,
        console,
        as_json=as_json,
        exports=exports,
        out=out,
        cohort=cohort,
        overrides=settings,
        source=text,
        device=device,
        engine=engine,
        cache=cache,
        ledger=ledger,
        site=site,
        update=None if update is None else update.replace("-", " "),
        allow_training_rows=training_rows,
    )


def _draft(locked: Locked, cohort: Path, file: Path, *, as_json: bool) -> None:
    from validkit.centre import draft_map
    from validkit.errors import InputError
    from validkit.store import write_text

    if file.exists():
        raise InputError(f"{file} is there already; give another name with --map, or remove it")
    draft = draft_map(locked, cohort)
    write_text(file, draft.text)
    if as_json:
        print_json({"file": str(file), "map": draft.text, "open": list(draft.open)}, schema="map-draft")
        return
    lines = [f"{file}: a proposal; read every line of it before you use it"]
    lines += [f"  to be answered: {text}" for text in draft.open]
    for line in lines:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)


def _carry_out(
    declared: Protocol, console: Console, *, as_json: bool, out: Path | None, exports: bool, **how: Any
) -> None:
    """Run a protocol with its progress shown, draw the report, print what came out; exit 1 where acceptance failed."""
    from validkit.run import run_protocol

    folder = out or Path("runs") / declared.protocol.name
    terminal = Terminal(console)
    head = Text.assemble((declared.protocol.name, "bold"), f"  digest {declared.digest()[:12]}  into {folder}")
    console.print(head, soft_wrap=True)
    try:
        run_protocol(declared, out=folder, reporter=terminal, **how)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on where this one was")
        raise typer.Exit(130) from None
    terminal.say("drawing the report")
    _draw(folder, console, exports)
    _answer(folder, as_json=as_json)
    acceptance = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("acceptance")
    if acceptance and acceptance["exit_code"]:
        raise typer.Exit(1)


def _draw(folder: Path, console: Console, exports: bool) -> None:
    """The report, and what this installation cannot write of what goes with it."""
    from validkit.report import render_report
    from validkit.report.exports.writing import left_out

    render_report(folder, exports=exports)
    for note in left_out() if exports else ():
        console.print(note, markup=False)


def _answer(folder: Path, *, as_json: bool) -> None:
    """What came out of a run."""
    from validkit.report import summary
    from validkit.report.lines import show
    from validkit.report.run_record import run_record

    if as_json:
        print_json(run_record(folder), schema="run")
    else:
        show(Console(), summary(folder))


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
        print_json(record | {"protocol": declared.protocol.name, "digest": declared.digest()}, schema="plan")
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
        print_json(facts | {"folder": str(folder)}, schema="phantom")
    else:
        console.print(f"{patients} simulated patients in {folder}", markup=False, soft_wrap=True)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    exports: Exports = True,
    as_json: AsJson = False,
) -> None:
    """Draw the report of a run again, from its records, and say what came out."""
    _draw(folder, Console(stderr=as_json), exports)
    _answer(folder, as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this installation can do, and what is guarded."""
    from validkit.doctor import examine

    findings = examine()
    if as_json:
        told = {"validkit": __version__, "findings": [finding.to_dict() for finding in findings]}
        print_json(told, schema="doctor")
        return
    table = RichTable("", "part", "finding", box=None, show_header=False, padding=(0, 1))
    marks = {"ok": "[green]ok[/green]", "absent": "[yellow]absent[/yellow]", "guarded": "[cyan]guarded[/cyan]"}
    for finding in findings:
        table.add_row(marks[finding.outcome], Text(finding.part), Text(finding.text))
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
