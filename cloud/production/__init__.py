"""What is owed and what is there: orders, work for people, stock."""
