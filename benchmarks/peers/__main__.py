"""`python -m benchmarks.peers [options]`."""

from __future__ import annotations

import argparse
import sys

from benchmarks.peers import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="What the kit finds in peers.")
    add_arguments(parser)
    sys.exit(run(parser.parse_args()))
