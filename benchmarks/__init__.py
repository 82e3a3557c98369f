"""Compare evenly with other systems on the same workloads.

Run ``make bench`` or ``python -m benchmarks --help``.
"""
