"""One module a step. A step that was released is never edited: databases out there have run it."""
