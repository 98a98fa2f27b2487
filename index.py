"""Entry point: ``python index.py start``."""

from mlids.cli import main

if __name__ == "__main__":
    main()
