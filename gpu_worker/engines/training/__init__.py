"""LoRA training on a handful of pictures, by diffusers and peft.

`twin.train` is the whole of it: check the pictures → encode them and the words once → steps, looked at now and then →
one file. What random numbers a step takes follows from the seed and the step's number alone, so a checkpoint that
knows both goes on as if nothing had happened.
"""
