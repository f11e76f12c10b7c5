"""For all tests: Ctrl-C works, in this process and in the commands that it starts."""

import signal

# A shell that starts the checks in the background has all of them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
