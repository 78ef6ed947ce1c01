"""`validkit ledger ...` and `validkit verify RUN`: is what was written still what is there?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from validkit.cli.options import AsJson, LedgerFile, print_json

app = typer.Typer(help="Look at the ledger of seals, openings and finished runs.", no_args_is_help=True)

RunFolder = Annotated[Path, typer.Argument(help="A run folder.")]
Runs = Annotated[
    list[Path] | None, typer.Option("--run", help="A run folder whose receipts must be in the ledger. Repeatable.")
]


@app.command("verify")
def verify_ledger(ledger: LedgerFile = None, runs: Runs = None, as_json: AsJson = False) -> None:
    """Find any edited, dropped, reordered or truncated entry and name it; exit 1 where there is one."""
    from validkit.ledger import Ledger, read_receipts

    book = Ledger(ledger)
    kept = [read_receipts(folder) for folder in runs or ()]
    receipts = [receipt for one in kept if one is not None for receipt in one.receipts]
    findings = book.verify(receipts=receipts)
    if as_json:
        told = {"ledger": str(book.path), "entries": None if findings else len(book.entries())}
        print_json(told | {"findings": [finding.to_dict() for finding in findings]}, schema="ledger-verify")
    elif not findings:
        print(f"{book.path}: whole, {len(book.entries())} entries")
    else:
        console = Console()
        for finding in findings:
            where = "" if finding.index is None else f" entry {finding.index}"
            line = "" if finding.line is None else f" (line {finding.line})"
            text = f"{finding.code}:{where}{line} {finding.what}; {finding.mend}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
    if findings:
        raise typer.Exit(1)


@app.command("show")
def show_ledger(ledger: LedgerFile = None, as_json: AsJson = False) -> None:
    """Print the entries: when, what, under which protocol."""
    from validkit.ledger import Ledger

    book = Ledger(ledger)
    entries = book.entries()
    if as_json:
        print_json({"ledger": str(book.path), "entries": [entry.to_dict() for entry in entries]}, schema="ledger")
        return
    table = Table("entry", "time (UTC)", "kind", "protocol", "what", box=None, padding=(0, 1))
    for entry in entries:
        facts = entry.facts
        protocol = f"{facts.get('protocol_name', '')} {str(facts.get('protocol', ''))[:12]}".strip()
        what = ", ".join(f"{key} {facts[key]}" for key in ("purpose", "patients", "run") if key in facts)
        table.add_row(*map(Text, (str(entry.index), entry.time, entry.kind, protocol, what)))
    Console().print(table)


def verify(folder: RunFolder, ledger: LedgerFile = None, as_json: AsJson = False) -> None:
    """Check a run folder against its own digests and the ledger; exit 1 where anything was changed."""
    from validkit.ledger import Ledger, default_ledger, read_receipts
    from validkit.verify import failed, verify_run

    path = ledger or default_ledger()
    receipts = read_receipts(folder) if folder.is_dir() else None
    here = path.exists() or ledger is not None or (receipts is not None and receipts.ledger == str(path))
    checks = verify_run(folder, Ledger(path) if here else None)
    told: dict[str, Any] = {"folder": str(folder), "ledger": str(path) if here else None}
    told["checks"] = [check.to_dict() for check in checks]
    if as_json:
        print_json(told, schema="verify")
    else:
        from validkit.report.lines import show
        from validkit.report.short_answers import verify_answer

        show(Console(), verify_answer(told))
    if failed(checks):
        raise typer.Exit(1)
