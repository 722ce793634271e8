"""Pipeline from notes to a measured model and a searchable index; a rerun skips finished steps."""
