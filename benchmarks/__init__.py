"""What is measured rather than asserted; run with `python -m benchmarks NAME`."""
