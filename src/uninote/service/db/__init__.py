"""Tables, their migrations, and transactions as function calls."""
