"""`validkit protocol ...`: look at declared protocols, compare them, seal them."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from validkit.cli.options import AsJson, CohortPath, LedgerFile, Overrides, ProtocolName, print_json

app = typer.Typer(help="Look at declared protocols, compare and seal them.", no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(help="A protocol's file or name, a run folder, or the digest of a sealed protocol.")
]


@app.command("check")
def check(protocol: ProtocolName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Say whether a protocol can be run, or everything that is wrong with it."""
    from validkit.protocol import read_protocol

    declared = read_protocol(protocol, overrides or ())
    if as_json:
        print_json({"name": declared.protocol.name, "digest": declared.digest()}, schema="protocol-check")
    else:
        print(f"{declared.protocol.name}: sound, digest {declared.digest()}")


@app.command("show")
def show(protocol: ProtocolName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print a protocol with every default written out; with --json under its schema, beside its digest."""
    from validkit.protocol import read_protocol

    declared = read_protocol(protocol, overrides or ())
    if as_json:
        print_json({"digest": declared.digest(), "protocol": declared.to_dict()}, schema="protocol")
    else:
        print(json.dumps(declared.to_dict(), indent=2))


@app.command("digest")
def digest(protocol: ProtocolName, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Print a protocol's digest."""
    from validkit.protocol import read_protocol

    declared = read_protocol(protocol, overrides or ())
    if as_json:
        print_json({"name": declared.protocol.name, "digest": declared.digest()}, schema="protocol-check")
    else:
        print(declared.digest())


@app.command("list")
def list_shipped(as_json: AsJson = False) -> None:
    """Print the shipped protocols and the questions they answer."""
    from validkit.protocol import read_protocol, shipped_protocols

    questions = {name: read_protocol(name).protocol.question for name in shipped_protocols()}
    if as_json:
        listed = [{"name": name, "question": question} for name, question in questions.items()]
        print_json({"protocols": listed}, schema="protocol-list")
        return
    for name, question in questions.items():
        print(f"{name:24s} {question}")


@app.command("seal")
def seal(
    protocol: ProtocolName,
    cohort: CohortPath = None,
    ledger: LedgerFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Declare a protocol before its data are seen: its digest, the time and the cohort's digest go into the ledger.

    With --cohort the seal names the cohort; without it, any cohort may be meant. A locked model is sealed with the
    SHA-256 of its bundle, whose file must be there unless the protocol declares it.
    """
    from validkit.external import bound
    from validkit.ledger import Ledger
    from validkit.protocol import read_protocol

    declared = bound(read_protocol(protocol, overrides or ()))
    digest_of = None
    if cohort is not None:
        from validkit.preparing import read_declared

        digest_of = read_declared(declared, cohort).digest
    receipt = Ledger(ledger).seal(
        protocol=declared.digest(),
        protocol_name=declared.protocol.name,
        canonical=declared.canonical(),
        cohort=digest_of,
    )
    if as_json:
        told = {"name": declared.protocol.name, "protocol": declared.digest(), "cohort": digest_of}
        print_json(told | receipt.to_dict(), schema="protocol-seal")
        return
    whose = f"cohort {digest_of[:12]}" if digest_of else "any cohort"
    print(
        f"{declared.protocol.name}: sealed {receipt.time} for {whose}, digest {declared.digest()}\n"
        f"entry {receipt.index} of {receipt.ledger}, hash {receipt.hash}"
    )


@app.command("diff")
def diff(before: Reference, after: Reference, ledger: LedgerFile = None, as_json: AsJson = False) -> None:
    """Show what changed between two protocols; exit 0 whether or not anything did."""
    from validkit.difference import describe, difference, resolve
    from validkit.ledger import Ledger

    book = Ledger(ledger)
    changes = difference(resolve(before, book), resolve(after, book))
    if as_json:
        told = {"before": before, "after": after, "changes": [change.to_dict() for change in changes]}
        print_json(told, schema="protocol-diff")
    else:
        Console().print(describe(changes), markup=False, highlight=False, soft_wrap=True)
