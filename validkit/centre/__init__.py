"""A locked model at a new centre, on that centre's own files: what its columns are called, coded and measured in."""

from validkit.centre.drafting import draft_map
from validkit.centre.mapping import MAP, CentreMap, home_map, read_map
from validkit.centre.protocol import centre_protocol

__all__ = ["MAP", "CentreMap", "centre_protocol", "draft_map", "home_map", "read_map"]
