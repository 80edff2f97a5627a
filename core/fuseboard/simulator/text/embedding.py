"""Embeddings of texts: those that share words lie near each other."""

from __future__ import annotations

import hashlib
import math
import re


def embed(text: str, dimensions: int, kept: int = 0) -> list[float]:
    """Embed a text as a unit vector: a bag of its words, hashed into `dimensions`.

    Args:
        text: The text.
        dimensions: The length that the model's vectors have.
        kept: How many numbers of it are wanted; 0 is all.
    """
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
        place = int.from_bytes(digest[:4], "big") % dimensions
        vector[place] += 1.0 if digest[4] & 1 else -1.0
    if 0 < kept < dimensions:
        vector = vector[:kept]
    length = math.hypot(*vector)
    if length == 0:
        vector[0] = length = 1.0
    return [round(value / length, 7) for value in vector]
