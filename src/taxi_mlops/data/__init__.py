"""Read trips and turn them into points: schemas, loader, validator, cleaning, samples, the synthetic city.

Caching points is in `storage`, clustering them in `adapters`.
Entry points: `load.load_points`, `load.open_trips`, `inspect.inspect`, `synthetic.SyntheticCity`.
"""
