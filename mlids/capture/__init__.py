"""Packets: from the wire (`rings`) or a recording (`recordings`), decoded into columns (`packets`).

`records`, `pcap_format` and `pcapng_format` find the frames of a file, `ring` and `ring_frames`
those of the kernel's ring; `links` and `headers` read what is before and in the network header,
`quotes` the packet that an ICMP error is about. `crafting` builds frames and files for tests.
"""
