"""Asking questions, in the way of each kind of traffic."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence

from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient
from fuseboard.ollama.responses import Message, TextChunk
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.rag.retrieval import Retrieval, grounded_prompt, read_corpus

_SAMPLED = {"num_predict": 48}
_REPEATABLE = {**_SAMPLED, "temperature": 0}

# Of so many questions one is asked repeatably, and another one is new.
_TURNS = 5
_REPEATABLE_TURN = 1
_NEW_TURN = 3


class Workload:
    """Asks one question after the other, from the first again after the last.

    Questions come again, as users' questions do, so that their embeddings come
    from the cache. The answers are sampled, which no cache keeps: the breaker of
    the model that speaks sees a call for each. But of five questions

    - one is asked repeatably: its answer is kept, and is there while the
      breaker is open;
    - one is new where questions are embedded, so that this goes on too: its
      number stands behind it. Where nothing else is done, all others are new.

    Answers are read to their end and dropped. Belongs to one event loop.

    Args:
        kind: What becomes of a question.
        client: Whom it asks.
        questions: What it asks.
        model: The model that speaks.
        embedding_model: The model that embeds, where `kind` does.
    """

    def __init__(
        self,
        kind: TrafficKind,
        client: OllamaClient | CachingClient,
        questions: Sequence[str],
        *,
        model: str,
        embedding_model: str,
    ) -> None:
        self._kind = kind
        self._client = client
        self._model = model
        self._embedding_model = embedding_model
        self._retrieval = Retrieval(client, embedding_model, read_corpus())
        self._numbered = enumerate(itertools.cycle(questions), start=1)

    async def ask_next(self) -> None:
        """Ask the next question.

        Raises:
            CircuitOpenError: If a breaker rejects one of its calls.
            OllamaError: If one of its calls fails; those after it are not made.
        """
        number, question = next(self._numbered)
        turn = number % _TURNS
        if turn == _REPEATABLE_TURN:
            await self.ask_repeatably(question)
        elif turn == _NEW_TURN or not self._kind.speaks:
            await self._ask(self._new(question, number), _SAMPLED)
        else:
            await self._ask(question, _SAMPLED)

    async def ask_repeatably(self, question: str) -> None:
        """Ask a question so that the same answer comes each time, and a cache keeps it.

        Raises the same as `ask_next()`.
        """
        await self._ask(question, _REPEATABLE)

    def _new(self, question: str, number: int) -> str:
        return f"{question} (no. {number})" if self._kind.embeds else question

    async def _ask(self, question: str, options: Mapping[str, object]) -> None:
        match self._kind:
            case TrafficKind.RAG:
                passages = await self._retrieval.nearest(question)
                prompt = grounded_prompt(question, passages)
                await _read(self._client.generate(prompt, model=self._model, options=options))
            case TrafficKind.GENERATE:
                await _read(self._client.generate(question, model=self._model, options=options))
            case TrafficKind.CHAT:
                said = [Message("user", question)]
                await _read(self._client.chat(said, model=self._model, options=options))
            case TrafficKind.EMBED:
                await self._client.embed([question], model=self._embedding_model)


async def _read(answer: AsyncIterator[TextChunk]) -> None:
    async for _ in answer:
        pass
