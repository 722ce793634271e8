"""Relations between notes: pairs with a weight, or co-engagement of the users of a log."""
