"""What evenly needs of the operating system: files, signals, locks, threads and errors."""
