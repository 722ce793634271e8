"""Corpus of notes: readers and writer, safe picture decoding, quality filter, balance and splits."""
