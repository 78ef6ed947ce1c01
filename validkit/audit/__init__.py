"""Was the study sound? Leakage sentinels, each with a question, an outcome and its evidence; audits of predictions made
elsewhere; and a paper's own claims. What is named here is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validkit.audit.burnt_in import check_burnt_in
    from validkit.audit.data_sentinels import run_data_sentinels
    from validkit.audit.duplicates import check_duplicates
    from validkit.audit.findings import SENTINELS, Finding, Sentinel
    from validkit.audit.near_duplicates import check_near_duplicates
    from validkit.audit.proxies import check_proxies

__all__ = [
    "SENTINELS",
    "Finding",
    "Sentinel",
    "check_burnt_in",
    "check_duplicates",
    "check_near_duplicates",
    "check_proxies",
    "run_data_sentinels",
]

_WHERE = {
    "SENTINELS": "findings",
    "Finding": "findings",
    "Sentinel": "findings",
    "check_burnt_in": "burnt_in",
    "check_duplicates": "duplicates",
    "check_near_duplicates": "near_duplicates",
    "check_proxies": "proxies",
    "run_data_sentinels": "data_sentinels",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"validkit.audit.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
