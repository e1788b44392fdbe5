"""Real servers for the live tests, started without systemd and stopped without traces."""
