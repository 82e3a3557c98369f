"""Files: locate them, detect their format, and read them as tables or arrays."""
