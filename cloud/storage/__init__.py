"""The database and the files: the only place with SQL, and the only one that knows where bytes lie."""
