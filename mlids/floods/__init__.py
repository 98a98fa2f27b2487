"""Floods: counting by target in slots of time (`tally`), and what makes each kind of flood."""
