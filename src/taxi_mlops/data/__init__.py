"""Read trips and turn them into points: schemas, loader, validator, cleaning, samples, the synthetic city.

`load.open_trips` and `load.load_points` are the ways in. Caching points is in `storage`, clustering them in `adapters`.
"""
