"""Read a table or a query of a database as Arrow data, never as Python rows."""
