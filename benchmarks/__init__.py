"""Every figure limelight claims, measured beside its peer or its limit in one run.

``make bench`` runs all of it and writes ``docs/benchmarks.md``; ``make bench ARGS="--only disk"``
measures one figure anew. One file per measurement: :mod:`benchmarks.training`,
:mod:`benchmarks.weights`, :mod:`benchmarks.disk`, :mod:`benchmarks.painted`.
"""
