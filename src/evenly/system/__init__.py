"""Operating system services: files, signals, locks, threads and errors."""
