"""A face made to speak a recording: found in every frame, its mouth painted anew, everything else left alone.

The film is read twice, and never held in memory: once small, to find the faces, once whole, to paint them.
"""
