"""Process entry: server, application, preload of the served folder, first key."""
