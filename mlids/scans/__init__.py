"""Port scans: failed first contacts, added up.

Packets become contacts (`packets`; by protocol `tcp`, `strays`, `udp`, `layers`, `fingerprints`).
`suspects` chooses those of sources that failed before; `sources` adds them up by the rules
(`rules`, `slow`, `decoys`), `crowds` by target; `tellings` and `events` tell what was found.
"""
