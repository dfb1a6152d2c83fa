"""The figures: one module each, `measure(options)` returns its rows."""
