"""Passes: Program to Program. Each keeps inputs, outputs and their avals."""
