"""Plots of stored events."""
