"""`python -m benchmarks NAME [options]`."""

from __future__ import annotations

import argparse
import sys

from benchmarks import null, picture

BENCHMARKS = {"null": null, "picture": picture}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What is measured rather than asserted.")
    names = parser.add_subparsers(dest="name", required=True)
    for name, module in BENCHMARKS.items():
        module.add_arguments(names.add_parser(name, help=(module.__doc__ or "").splitlines()[0]))
    options = parser.parse_args(arguments)
    return BENCHMARKS[options.name].run(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
