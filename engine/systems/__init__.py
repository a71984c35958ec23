"""Systems of networks that make assets: a folder each, and the table of them."""
