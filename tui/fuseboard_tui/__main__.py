"""`python -m fuseboard_tui` is the command `fuseboard`."""

import sys

from fuseboard_tui.cli.main import main

sys.exit(main())
