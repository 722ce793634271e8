"""HTTP API: routes, roles, middleware, error envelope."""
