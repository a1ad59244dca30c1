"""``python -m lerix_web`` is ``lerix``."""

import sys

from lerix_web.cli import main

sys.exit(main())
