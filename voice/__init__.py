"""One call's ears and mouth: turn-taking, endpointing, playout, and the session that binds them."""
