"""One module a tool, each with the reports it reads as `FORMATS`; `imports.reading` finds them."""
