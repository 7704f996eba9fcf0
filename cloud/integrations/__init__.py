"""Each speaks to the outside and calls services, never tables."""
