"""Packets that no honest host sends: what is odd about headers, fragments and checksums."""
