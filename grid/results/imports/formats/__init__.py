"""One module per tool, which lists its report formats in `FORMATS`; `reading` finds them."""
