"""The texts and embeddings of the simulated models."""
