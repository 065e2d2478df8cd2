"""`python -m bipack.cli …` is `bipack …`, for installs whose console script is not on the path."""

import sys

from bipack.cli.main import main

sys.exit(main())
