"""The whole way from notes to a searchable, measured model: steps, their order, and what a rerun skips."""
