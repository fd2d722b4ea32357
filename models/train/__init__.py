"""The recipe of the bundled speech-to-text model: data, training, export and evaluation."""
