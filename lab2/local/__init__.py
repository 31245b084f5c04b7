"""AWS on this machine, for those who have no account: the emulator, and what is started and stopped with it."""
