"""Rules over log lines as data: literals first, then patterns, for any format."""
