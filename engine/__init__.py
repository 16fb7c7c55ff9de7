"""Moving: shards, policy, repair, commit, publishing, and the command line. Imports all the other parts."""
