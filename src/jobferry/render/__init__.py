"""From data to text: shell, launch scripts. Pure."""
