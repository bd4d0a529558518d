"""Video out of diffusion models, by diffusers. What differs between models is data in `shared.catalog`.

`clip.make` is the whole of it: plan → for each shot hold its engine in the pool → call it → fit → encode.
"""
