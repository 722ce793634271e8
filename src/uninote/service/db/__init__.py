"""The tables, their migrations, and one transaction as one function call."""
