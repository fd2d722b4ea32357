"""Engines and their lifecycle: the catalogue of models, speech in, speech out, understanding."""
