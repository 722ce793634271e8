"""The HTTP API: wire schemas, routes, who may call them, and what every answer has in common."""
