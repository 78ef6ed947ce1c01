"""`python -m benchmarks NAME [options]`."""

from __future__ import annotations

import argparse
import importlib
import sys

BENCHMARKS = {
    "statistics": "speed of the statistics against today's packages, as ratios in one run",
    "gpu": "throughput of the deep core, beside the usual recipe and the device's own limit",
    "peers": "what the test kit finds in packages in use today, and what they pass",
    "mutation": "do the tests notice small faults put into the statistics?",
    "null": "with outcomes shuffled, no signal is left",
    "picture": "the README's picture of a report",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What is measured rather than asserted.")
    names = parser.add_subparsers(dest="name", required=True)
    asked = next((argument for argument in arguments if argument in BENCHMARKS), None)
    for name, text in BENCHMARKS.items():
        own = names.add_parser(name, help=text)
        if name == asked:  # each needs packages of its own; only the one asked for is loaded
            module = importlib.import_module(f"benchmarks.{name}")
            module.add_arguments(own)
    options = parser.parse_args(arguments)
    return int(importlib.import_module(f"benchmarks.{options.name}").run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
