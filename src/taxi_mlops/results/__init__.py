"""The files of a run: the journal, the JSON documents such as `comparison.json`, the labels, and their folders.

They are computed and written here, and read again. Places outside the run folder are in `recording`.
Entry points: `run_folder.RunFolder`, `journal.Journal`, `comparison.read_comparison`, `assembly.assemble`.
"""
