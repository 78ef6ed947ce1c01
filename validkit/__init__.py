"""validkit: runs a clinical prediction model under a declared protocol and judges it."""

__version__ = "0.1.0"
