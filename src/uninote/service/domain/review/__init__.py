"""Review: verdicts, their export, back-check jobs."""
