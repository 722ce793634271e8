"""The deployed system: one database, its rules, and the API and console on top of them."""
