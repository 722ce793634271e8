"""Ray backend of `annotate` and `embed`: the local functions on a cluster, a batch or a shard at a time.

Ray Data assigns jobs to a pool of actors, one per core or per GPU, each with its own model, and reassigns the
jobs of a machine that dies. Finished work is kept by the same cache and the same files as locally.
Notes, model and output must be on storage that all machines see under the same paths.
"""
