"""Stand-in for the MediaNest frontend: a page on port 3000 that asks the backend, server-side."""
