"""Parts of pages: each draws one section, or nothing where the rows have nothing for it."""
