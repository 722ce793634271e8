"""Load generator: open loop, so that a slow answer never delays the next request."""
