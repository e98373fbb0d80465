"""The files of a run: the journal, the JSON documents such as `comparison.json`, the labels, and their folders."""
