"""Stand-in for the MediaNest backend: answers /api/health on port 4000 from a real PostgreSQL and a real Redis."""
