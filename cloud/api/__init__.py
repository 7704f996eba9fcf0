"""HTTP: one module a resource; thin: read the request, call a service, answer."""
