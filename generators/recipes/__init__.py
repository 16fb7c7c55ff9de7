"""Rollouts: from a trait and a conversation to a row, its pairs and the evidence."""
