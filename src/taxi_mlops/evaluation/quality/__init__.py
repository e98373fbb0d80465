"""How good a clustering is, whoever made it: internal indices on the sphere, sizes, stability."""
