"""`python -m fuseboard_tui` is the command `fuseboard`."""

import sys

from fuseboard_tui.command_line import main

sys.exit(main())
