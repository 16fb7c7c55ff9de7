"""Readers of other projects' character files: each turns a file into traits and says what it could not take over."""
