"""The same small job through Rushes and through what people build such services with."""
