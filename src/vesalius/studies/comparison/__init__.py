"""Comparing clouds of embeddings: two sources by one encoder, two encoders on one set of cases."""
