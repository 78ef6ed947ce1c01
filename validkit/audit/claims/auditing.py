"""A claims file to its record: read, and every check made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from validkit import __version__, schemas
from validkit.audit.claims.checks import VERDICTS, check_claims
from validkit.audit.claims.study import Claims, read_claims
from validkit.store import digest

__all__ = ["audit_claims", "claims_record"]


def audit_claims(path: str | Path) -> dict[str, Any]:
    """The record of a claims file, or of a shipped one by its name, as plain JSON types; InputError for bad input."""
    return claims_record(read_claims(path))


def claims_record(claims: Claims) -> dict[str, Any]:
    """Every finding on a study's claims, and how many there are of each verdict."""
    findings = check_claims(claims)
    counted = Counter(one.verdict for one in findings)
    return {
        "schema": schemas.urn("claims"),
        "validkit": __version__,
        "study": claims.study.model_dump(mode="json"),
        "claims": digest("claims", claims.model_dump_json()),
        "samples": [one.model_dump(mode="json") for one in claims.sample],
        "findings": [one.to_dict() for one in findings],
        "counts": {verdict: counted.get(verdict, 0) for verdict in VERDICTS},
    }
