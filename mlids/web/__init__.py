"""Web attacks in requests: taken apart (`requests`), decoded (`decoding`), matched (`matching`).

`rules` are data; `screening` says cheaply which of many requests need a closer look. The wire side
(`segments`, `heads`, `answers`) finds request heads in packets and what servers answered.
"""
