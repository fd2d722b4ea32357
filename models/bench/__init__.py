"""Measurements of the engines, beside the libraries they are built on."""
