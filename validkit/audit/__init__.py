"""Was the study sound? Leakage sentinels, each with a question, an outcome and its evidence."""

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
