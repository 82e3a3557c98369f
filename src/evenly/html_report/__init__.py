"""One HTML page with a table of columns: numbers, histograms and remarks."""
