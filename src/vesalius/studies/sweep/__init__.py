"""A sweep: one recipe, varied factor by factor and seed by seed, its arms side by side."""
