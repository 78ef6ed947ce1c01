"""A locked model: one file, written once, checked whole before anything of it is used, applied elsewhere; no pickle."""

from validkit.bundle.facts import Facts, facts_of
from validkit.bundle.manifest import Manifest
from validkit.bundle.reading import Locked, read_bundle
from validkit.bundle.writing import bundle_from_run, write_bundle

__all__ = ["Facts", "Locked", "Manifest", "bundle_from_run", "facts_of", "read_bundle", "write_bundle"]
