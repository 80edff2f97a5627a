"""OLLAMA_HOST is read as Ollama's own tools read it."""

from __future__ import annotations

import pytest

from fuseboard.ollama import ollama_url


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("example.com", "http://example.com:11434"),
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("HTTPS://example.com:8443/", "https://example.com:8443"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("example.com:1/a/b", "http://example.com:1/a/b"),
        ("ollama.com", "https://ollama.com:443"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:7", "http://[::1]:7"),
        (' "1.2.3.4" ', "http://1.2.3.4:11434"),
        ("'localhost:5'", "http://localhost:5"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
    ],
)
def test_readings(setting: str, url: str) -> None:
    assert ollama_url(setting) == url


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ftp://example.com", "neither http nor https"),
        ("example.com:http", "not a port"),
        ("example.com:0", "not a port"),
        ("example.com:65536", "not a port"),
        ("two words", "not the name of a host"),
        ("user@example.com", "no user and password can be in it"),
    ],
)
def test_refused(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ollama_url(setting)
