"""The worker as a process, or beside a server: what starts it and what stops it."""
