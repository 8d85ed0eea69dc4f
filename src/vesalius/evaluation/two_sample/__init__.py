"""Two-sample tests: do two clouds of embeddings come from one distribution, and where not?"""
