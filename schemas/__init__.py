"""The nouns of phrasemill and the one place where a field is named. Imports nothing of ours."""
