"""The commands: parse, call, show. Exit 0 done, 1 a declared acceptance failed, 2 bad input."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable

from validkit import __version__
from validkit.errors import ValidkitError
from validkit.terminal import Terminal

app = typer.Typer(
    name="validkit",
    help="Runs a clinical prediction model under a declared protocol and judges it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
protocols = typer.Typer(help="Look at declared protocols.", no_args_is_help=True)
app.add_typer(protocols, name="protocol")

ProtocolName = Annotated[str, typer.Argument(help="A protocol's TOML file, or the name of a shipped one.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change one setting: section.key=value. May be given again.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Engine = Annotated[str, typer.Option(help="sequential, loky or loky:N.")]


@app.command()
def run(
    protocol: ProtocolName,
    cohort: Annotated[Path | None, typer.Option(help="Folder with cohort.csv; without it, the phantom.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; by default runs/NAME.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    engine: Engine = "loky",
    cache: Annotated[Path | None, typer.Option(help="Where extracted features are kept for every run.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole model under a protocol, to a report. Run again, it resumes."""
    from validkit.protocol import read_protocol, source_of
    from validkit.report import render_report, summary
    from validkit.run import run_protocol

    console = Console(stderr=as_json)
    declared = read_protocol(protocol, overrides or ())
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
            reporter=terminal,
        )
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on where this one was")
        raise typer.Exit(130) from None
    terminal.say("drawing the report")
    render_report(folder)
    if as_json:
        print((folder / "evaluation.json").read_text(encoding="utf-8"))
    else:
        console.print(summary(folder))


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder to write; must not exist or be empty.")],
    patients: Annotated[int, typer.Option(min=20)] = 421,
    sites: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    engine: Engine = "loky",
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort: B-mode images, three outlines of each lesion, clinical columns."""
    from validkit.cohort.phantom import write_phantom

    console = Console(stderr=as_json)
    folder = write_phantom(out, patients=patients, sites=sites, seed=seed, engine=engine, reporter=Terminal(console))
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


@protocols.command("check")
def protocol_check(protocol: ProtocolName, overrides: Overrides = None) -> None:
    """Say whether a protocol can be run, or everything that is wrong with it."""
    from validkit.protocol import read_protocol

    declared = read_protocol(protocol, overrides or ())
    print(f"{declared.protocol.name}: sound, digest {declared.digest()}")


@protocols.command("show")
def protocol_show(protocol: ProtocolName, overrides: Overrides = None) -> None:
    """Print a protocol with every default written out, as JSON."""
    from validkit.protocol import read_protocol

    print(json.dumps(read_protocol(protocol, overrides or ()).to_dict(), indent=2))


@protocols.command("digest")
def protocol_digest(protocol: ProtocolName, overrides: Overrides = None) -> None:
    """Print a protocol's digest."""
    from validkit.protocol import read_protocol

    print(read_protocol(protocol, overrides or ()).digest())


@protocols.command("list")
def protocol_list() -> None:
    """Print the shipped protocols and the questions they answer."""
    from validkit.protocol import read_protocol, shipped_protocols

    for name in shipped_protocols():
        print(f"{name:20s} {read_protocol(name).protocol.question}")


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
