"""Install the hub on a board and print its label."""
