"""The owner's store: one interface, two stores (S3 and a local folder)."""
