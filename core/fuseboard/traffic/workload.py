"""The calls that each kind of traffic makes for a question."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence

from fuseboard.ollama.caching import CachingClient
from fuseboard.ollama.client import OllamaClient
from fuseboard.ollama.responses import Message, TextChunk
from fuseboard.snapshot.traffic_kind import TrafficKind
from fuseboard.traffic.rag.retrieval import Retriever, grounded_prompt, read_corpus

_SAMPLED = {"num_predict": 48}
_DETERMINISTIC = {**_SAMPLED, "temperature": 0}

# Of each group of questions, the first is cacheable and the third is made unique.
_GROUP_SIZE = 5
_CACHEABLE_POSITION = 1
_UNIQUE_POSITION = 3


class Workload:
    """Call the model with one question after the other, in an endless cycle.

    Questions repeat, as those of users do, so that their embeddings come from
    the cache. Text is generated with sampling, which is never cached, so that
    every question reaches the breaker of the text model. Two of five questions
    are exceptions:

    - one is called deterministically: its response is cached and available
      while the breaker is open;
    - one is made unique by its number if the traffic embeds, so that the
      embedding model is called, too. If the traffic only embeds, all but the
      first of five are unique.

    Responses are read to their end and dropped. Belongs to one event loop.

    Args:
        kind: Which calls a question leads to.
        client: Makes the calls.
        questions: At least one.
        model: The model that generates text.
        embedding_model: The model that embeds, if `kind` does.
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
        self._retriever = Retriever(client, embedding_model, read_corpus())
        self._numbered = enumerate(itertools.cycle(questions), start=1)

    async def call_next(self) -> None:
        """Make the calls for the next question.

        Raises:
            CircuitOpenError: If a breaker rejects one of the calls.
            OllamaError: If one of the calls fails; those after it are not made.
        """
        number, question = next(self._numbered)
        position = number % _GROUP_SIZE
        if position == _CACHEABLE_POSITION:
            await self.call_cacheable(question)
        elif position == _UNIQUE_POSITION or not self._kind.generates_text:
            await self._call(self._unique(question, number), _SAMPLED)
        else:
            await self._call(question, _SAMPLED)

    async def call_cacheable(self, question: str) -> None:
        """Make the calls for a question with deterministic options, so that they are cached.

        Raises:
            CircuitOpenError: If a breaker rejects one of the calls.
            OllamaError: If one of the calls fails; those after it are not made.
        """
        await self._call(question, _DETERMINISTIC)

    def _unique(self, question: str, number: int) -> str:
        return f"{question} (no. {number})" if self._kind.embeds else question

    async def _call(self, question: str, options: Mapping[str, object]) -> None:
        match self._kind:
            case TrafficKind.RAG:
                passages = await self._retriever.nearest(question)
                prompt = grounded_prompt(question, passages)
                await _drain(self._client.generate(prompt, model=self._model, options=options))
            case TrafficKind.GENERATE:
                await _drain(self._client.generate(question, model=self._model, options=options))
            case TrafficKind.CHAT:
                messages = [Message("user", question)]
                await _drain(self._client.chat(messages, model=self._model, options=options))
            case TrafficKind.EMBED:
                await self._client.embed([question], model=self._embedding_model)


async def _drain(chunks: AsyncIterator[TextChunk]) -> None:
    async for _ in chunks:
        pass
