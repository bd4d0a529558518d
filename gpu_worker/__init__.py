"""The program inside the endpoint: takes one job, does the work, puts the result in the owner's bucket."""
