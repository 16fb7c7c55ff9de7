"""Finding: rule packs, the turn table, and the filters that turn text into spans. Imports schemas only."""
