"""`annotate` and `embed` on a Ray cluster: the local functions, a batch or a shard at a time, elsewhere.

Ray Data hands jobs to a pool of actors, one a core or one a GPU, each with its own model, and gives the jobs
of a machine that dies to another. What is finished is kept by the same cache and the same files as locally.
Notes, model and output must lie on storage that all machines see under the same paths.
"""
