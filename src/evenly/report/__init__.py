"""Reports for the terminal: a text table, a JSON document, and a progress bar."""
