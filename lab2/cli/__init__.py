"""The command line: arguments, exit codes, signals, and which parts are put together."""
