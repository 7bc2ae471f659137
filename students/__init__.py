"""Pupils."""
