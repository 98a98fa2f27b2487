"""Port scans: failed first contacts (`tcp`, `udp`, `contacts`), added up (`findings`)."""
