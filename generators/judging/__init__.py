"""Judging: answers graded by a trait, compared with each other, and how far the judge itself is to be trusted."""
