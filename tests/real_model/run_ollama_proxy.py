"""Serve ollama-proxy on a free loopback port, until stdin ends.

Runs under the model venv's python, with `PROXY_CONFIG_FILE` in its environment. It replaces
`ollama-proxy serve`, which does not report the port that it chose.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

import uvicorn


def main() -> None:
    """Bind a free port, write the URL, and serve."""
    threading.Thread(target=_exit_with_stdin, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        sys.stderr.write(f"LISTENING http://{host}:{port}\n")
        uvicorn.Server(uvicorn.Config("ollama_proxy.server:app")).run(sockets=[listener])


def _exit_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
