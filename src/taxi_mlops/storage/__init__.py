"""Access to databases, the object store and the cache of points, over SQLAlchemy, boto3 and redis.

What is stored in them is decided elsewhere: `recording` writes the experiment store, `data` reads trips.
"""
