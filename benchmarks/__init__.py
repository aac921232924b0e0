"""Accuracy and speed of skdp beside scikit-learn: ``python -m benchmarks --help``."""
