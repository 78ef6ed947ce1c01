"""What differs between two protocols: key by key, over everything that they say, defaults included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from validkit.errors import InputError
from validkit.protocol import Protocol, read_protocol, shipped_protocols

if TYPE_CHECKING:
    from validkit.ledger import Ledger

DIGEST = re.compile(r"[0-9a-f]{6,64}")
RESOLVED = "protocol.resolved.json"


@dataclass(frozen=True)
class Change:
    """One setting that differs.

    key : dotted, items of a list counted from 1, such as "model.radiomics.selection[2].method"
    kind : "added" and "removed" where only the second or only the first protocol has the key
    before, after : the values; None where absent
    """

    key: str
    kind: Literal["changed", "added", "removed"]
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """The change as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        if self.kind == "added":
            return f"{self.key}: added, {_shown(self.after)}"
        if self.kind == "removed":
            return f"{self.key}: removed, was {_shown(self.before)}"
        items = _items(self.before, self.after)
        return f"{self.key}: {items or f'{_shown(self.before)} -> {_shown(self.after)}'}"


def difference(a: Protocol | Mapping[str, Any], b: Protocol | Mapping[str, Any]) -> list[Change]:
    """Every setting that differs between two protocols (or their resolved forms), in the order of the first one."""
    before, after = (p.to_dict() if isinstance(p, Protocol) else dict(p) for p in (a, b))
    return list(_compare("", before, after))


def describe(changes: Sequence[Change]) -> str:
    """The changes as text, one a line."""
    if not changes:
        return "the two protocols say the same"
    return "\n".join(map(str, changes))


def _compare(key: str, before: Any, after: Any) -> Iterator[Change]:
    """The changes under one key. True, 1 and 1.0 are different settings."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _tables(key, before, after)
    elif _sections(before) and _sections(after):
        yield from _lists(key, before, after)
    elif _canonical(before) != _canonical(after):
        yield Change(key, "changed", before, after)


def _tables(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in (*before, *(name for name in after if name not in before)):
        yield from _either(f"{key}.{name}" if key else str(name), before, after, name)


def _lists(key: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    """Lists of sections: matched by their names where they have them, else by their places."""
    names = [_named(item) for item in (*before, *after)]
    if all(names) and all(len({_named(item) for item in side}) == len(side) for side in (before, after)):
        yield from _tables(key, {_named(item): item for item in before}, {_named(item): item for item in after})
        order = [
            [_named(item) for item in side if _named(item) in map(_named, other)]
            for side, other in ((before, after), (after, before))
        ]
        if order[0] != order[1]:
            yield Change(f"{key} (order)", "changed", order[0], order[1])
        return
    first, second = dict(enumerate(before)), dict(enumerate(after))
    for place in range(max(len(before), len(after))):
        yield from _either(f"{key}[{place + 1}]", first, second, place)


def _either(key: str, before: Mapping[Any, Any], after: Mapping[Any, Any], name: Any) -> Iterator[Change]:
    if name not in after:
        yield Change(key, "removed", before[name], None)
    elif name not in before:
        yield Change(key, "added", None, after[name])
    else:
        yield from _compare(key, before[name], after[name])


def _sections(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _named(item: Mapping[str, Any]) -> str:
    name = item.get("name")
    return name if isinstance(name, str) else ""


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _items(before: Any, after: Any) -> str:
    """What a list of plain values gained and lost, where that says it all."""
    if not (isinstance(before, list | tuple) and isinstance(after, list | tuple)):
        return ""
    gained = [item for item in after if item not in before]
    lost = [item for item in before if item not in after]
    if [item for item in before if item not in lost] != [item for item in after if item not in gained]:
        return ""
    parts = [f"with {', '.join(map(_shown, gained))}"] if gained else []
    return "; ".join([*parts, f"without {', '.join(map(_shown, lost))}"] if lost else parts)


# --- what a user may name -------------------------------------------------------------------------------


def resolve(reference: str | Path, ledger: Ledger | None = None) -> dict[str, Any]:
    """The resolved form of a protocol named in any of four ways.

    reference : a TOML file; a run folder (or its protocol.resolved.json); the name of a shipped protocol; or the
        digest, or its first 6 digits or more, of a protocol that was sealed in the ledger
    Raises InputError that says what was looked for.
    """
    path = Path(reference)
    if path.is_dir():
        return _of_run(path / RESOLVED)
    if path.is_file():
        return _of_run(path) if path.suffix == ".json" else read_protocol(path).to_dict()
    shipped = shipped_protocols()
    if str(reference) in shipped:
        return read_protocol(str(reference)).to_dict()
    if DIGEST.fullmatch(str(reference)):
        return _of_seal(str(reference), ledger)
    raise InputError(
        f"no protocol {str(reference)!r}: it is no file, no run folder, no digest, and none of the shipped protocols "
        f"({', '.join(sorted(shipped)) or 'none'})"
    )


def _of_run(path: Path) -> dict[str, Any]:
    """The protocol that a run folder keeps."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["protocol"]
    except FileNotFoundError as error:
        raise InputError(f"{str(path.parent)!r} holds no run: there is no {path.name} in it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(path)!r} is not what a run writes; give the run folder or a TOML file") from error
    if not isinstance(found, dict):
        raise InputError(f"{str(path)!r} holds no protocol; give the run folder or a TOML file")
    return found


def _of_seal(digest: str, ledger: Ledger | None) -> dict[str, Any]:
    """The protocol that was sealed under a digest."""
    seals = [] if ledger is None else [entry for entry in ledger.entries() if entry.kind == "seal"]
    known = {entry.facts["protocol"]: entry.facts["canonical"] for entry in seals}
    found = sorted(name for name in known if name.startswith(digest))
    if len(found) > 1:
        raise InputError(f"{len(found)} sealed protocols have digests that begin with {digest!r}; give more digits")
    if not found:
        where = "no ledger was given" if ledger is None else f"{len(known)} sealed in {str(ledger.path)!r}"
        raise InputError(f"no sealed protocol has a digest that begins with {digest!r} ({where}); give its file")
    resolved: dict[str, Any] = json.loads(known[found[0]])
    return resolved
