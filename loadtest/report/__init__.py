"""Reports of a load test: a table on the terminal, a page, two runs side by side."""
