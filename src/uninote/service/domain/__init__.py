"""Domain rules: every function is one step inside one transaction, without HTTP."""
