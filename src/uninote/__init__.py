"""UniNote: one embedding per item."""
