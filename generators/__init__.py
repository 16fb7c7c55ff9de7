"""Speaking: traits, the recipe that asks a model for a clean answer, and the client and servers behind it."""
