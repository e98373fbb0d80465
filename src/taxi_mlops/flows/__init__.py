"""The way of the data: plain steps, and the plain function that walks them."""
