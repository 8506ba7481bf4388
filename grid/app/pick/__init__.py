"""Parts of the page Pick: its limits, cards, chart and table.

`limits` and `machines` make an Ask of widgets and `answers` asks for advice; `cards`, `chart`,
`details` and `table` show it, and `reasons` says why.
"""
