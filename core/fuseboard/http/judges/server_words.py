"""The words that servers' error messages are made of, and that give away nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

_TEXT = """
a able abort aborted about above access address after again allocate allocation allowable allowed
already also an and any api are argument arguments array as assertion at attempts authentication
authorization available bad batch be because been before below billing blob block body boolean
broken buffer buffers busy but by bytes cache call calls can canceled cancelled cannot capacity
characters chat check client closed code completion completions computing concurrent connect
connection content context corrupt could count cpu crashed cuda current currently data deadline
decode decoding default denied device did digest dimension dimensions disabled disk does done
dropped due during embed embedding embeddings empty encode encoding end endpoint engine entity eof
error errors exceed exceeded exceeding exceeds exception exhausted existing exit exited expected
expired fail failed failing failure fatal fault field fields file files finished flight for
forbidden format forward found from full function gateway gb generate generation gib given gpu
greater had handler has have header headers high host http https id if illegal image images in
incomplete incorrect input inputs instance insufficient integer internal interrupted into invalid
is it its json kb key kib kill killed kv large larger later layer layers least length less limit
limits list llama llm load loaded loader loading loads long longer lost maintenance malformed many
max maximum may mb memory message messages method mib min minimum minute minutes missing mode model
models more most must name need needed needs network no not null number object occurred of offline
ollama on one only open operation option options or order organization out output over overload
overloaded panic parallel parameter parameters parse parsing payload peer pending per permission
pipe plan please pool post problem process processing prompt prompts provided proxy pull quota
range rate reached read reason reduce refused reject rejected request requested requesting requests
require required requires reset resource resources response responses restart restarting resulting
retries retry revoked role route rpc rpm run runner running runtime s sampling schema second
seconds segment segmentation seq sequence server service session short shorten shutdown shutting
signal size slot slots small smaller sorry start started starting state status stop stopped
stopping stream streaming string supplied support supported supports system tb tcp template
temporarily temporary tensor terminated terminating text than that the then there this thread tib
time timed timeout to token tokenize tokenizer tokens too tool tools total tpm tried truncated try
type unable unauthorized unavailable undefined unexpected unhealthy unknown unload unloaded
unprocessable unreachable unsupported until up upgrade upstream usage use used user using v1 valid
value values version video vram wait waiting was were when which while will with within without
worker workers write wrong you your
"""
SERVER_WORDS = frozenset(_TEXT.split())
_CHUNK = re.compile(r"\w+(?:[.:]\d+)*")
_NUMBER = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,2})?(?:[mµn]?s|[kmgt]i?b?|b)?", re.IGNORECASE)
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?")


def find_foreign_word(text: str, known: Container[int]) -> int | None:
    """Return the index of the first word that may not be a server's own; `None` if there is none.

    Nor may numbers of more than seven digits be, and numbers and single letters
    beside each other, as in the groups of a card's number. Words at the
    positions `known` are passed over.
    """
    short_at: int | None = None  # where the number or letter is that came just before
    for found in _CHUNK.finditer(text):
        chunk, start = found[0], found.start()
        words = unicodedata.normalize("NFKD", chunk).casefold().replace("_", " ").split()
        if not words:
            continue
        if start in known or _LOOPBACK.fullmatch(chunk):
            short_at = None
        elif not (_NUMBER.fullmatch(chunk) or SERVER_WORDS.issuperset(words)):
            return start if short_at is None else short_at
        elif len(chunk) > 1 and not chunk[0].isdigit():
            short_at = None
        elif short_at is not None:
            return short_at
        else:
            short_at = start
    return None
