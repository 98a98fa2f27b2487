"""Sigma rules: parsed by pySigma, compiled to an evaluator of our own."""
