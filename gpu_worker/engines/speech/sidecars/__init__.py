"""The engines' own programs. They run in other environments, so each imports the standard library and its engine."""
