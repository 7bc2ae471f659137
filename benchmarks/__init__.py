"""How fast schoolmarks is, beside something that anybody knows, measured in the same run.

`make bench` measures all parts, `make bench ARGS="sheet"` one; the figures are written to
benchmarks/results.md. No test asks a clock: these are figures to read.
"""
