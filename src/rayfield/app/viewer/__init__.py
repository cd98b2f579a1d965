"""A field in the browser: what renders it, and the server that lets nobody else in."""
