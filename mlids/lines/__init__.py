"""Log lines: followed through rotation, cut out of chunks, found by literal and pattern.

`tailing` follows one path with `rotation`, `openfiles` and `checkpoints`; `cutting` and `chunks`
turn bytes into lines, `compressed` unpacks; `matching` finds what matters, `stamps` reads times.
"""
