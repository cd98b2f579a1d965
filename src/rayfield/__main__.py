"""`python -m rayfield`: the command line."""

import sys

from rayfield.app.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
