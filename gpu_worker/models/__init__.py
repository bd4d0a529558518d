"""Where the weights of the catalog's models are on this machine, and how they get there."""
