"""Pictures, plots, paths and videos of what is learned."""
