"""`python -m local`: a database, a server, a key and a first request, until Ctrl-C."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # while modules are imported, Ctrl-C ends it without a traceback

from local.run import main  # noqa: E402

sys.exit(main())
