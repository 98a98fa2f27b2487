"""Logins: what lines tell of them (`records`, by `rules`), counted once an attempt (`attempts`).

`guesses` is what brute force keeps of each source, account and pair of them.
"""
