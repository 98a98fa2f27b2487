"""Alerts and audit records of other programs, mapped to MLIDS events."""
