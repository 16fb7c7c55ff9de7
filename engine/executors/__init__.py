"""Where shards are worked on: processes of this machine, a Ray cluster, or a Slurm array."""
