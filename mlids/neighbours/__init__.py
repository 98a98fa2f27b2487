"""Who holds which address on the link (`bindings`), and what was asked (`questions`)."""
