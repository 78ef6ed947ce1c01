"""Office files are archives that note the hour; here it is a fixed one, and the same run gives the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime

FIXED = datetime(1980, 1, 1)
PROPERTIES = "docProps/core.xml"
_CHANGED = re.compile(rb"(<dcterms:(created|modified)\b[^>]*>)[^<]*")


def settled(data: bytes) -> bytes:
    """The archive written again: members in their order, every date the fixed one."""
    out = io.BytesIO()
    stamp = FIXED.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, date_time=FIXED.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            member = old.read(name)
            new.writestr(entry, _CHANGED.sub(rb"\g<1>" + stamp, member) if name == PROPERTIES else member)
    return out.getvalue()
