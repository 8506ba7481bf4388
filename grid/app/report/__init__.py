"""`grid report`: a store's answer as one HTML file, with its charts as SVG and PNG.

`content` gathers what the report says, `page` writes the HTML, `chart` draws a trade-off and
`drawing` holds its shapes, which `svg` and `png` write.
"""
