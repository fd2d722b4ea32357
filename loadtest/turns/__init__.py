"""The turn-taking suite: calls whose timing is measured from what the caller heard."""
