"""Trips in, points out: schemas, loader, preprocessor, validator, synthetic city."""
