"""Wireless networks: which are ours (`inventory`), and what happens in the air (`behaviours`)."""
