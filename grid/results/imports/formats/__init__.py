"""One module per tool, which lists its report formats in `FORMATS`; `imports.reading` finds them."""
