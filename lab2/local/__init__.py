"""AWS on this machine, for who has no account: the emulator, and what is started and stopped with it."""
