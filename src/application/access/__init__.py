"""Who may call: tokens, certificates, and the log of calls that change something."""
