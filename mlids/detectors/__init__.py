"""One plugin a file; the file name is the plugin's name."""
