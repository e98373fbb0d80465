"""Access to databases, the object store and the cache of points, over SQLAlchemy, boto3 and redis.

What is stored in them is decided elsewhere: `recording` writes the experiment store, `data` reads trips.
Entry points: `database.Database`, `objects.push`, `points_cache.points_cache`.
"""
