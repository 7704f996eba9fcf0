"""Benchmarks: `python -m tools.bench [name …] [--quick]`. Claims are measured beside bare baselines in the same run."""
