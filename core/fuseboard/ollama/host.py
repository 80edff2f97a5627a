"""Reading `OLLAMA_HOST` and `OLLAMA_API_KEY` as Ollama's own tools do."""

from __future__ import annotations

import ipaddress
import re

from fuseboard.invalid_input import InvalidInputError
from fuseboard.masked_url import mask_url

_DEFAULT_PORTS = {"http": 80, "https": 443}


def ollama_url(setting: str) -> str:
    """Return the base URL for a value of `OLLAMA_HOST`, without a slash at the end.

    As in Ollama's `envconfig.Host`, surrounding quotes and blanks are removed;
    an empty value is `http://127.0.0.1:11434`; the port defaults to 11434
    without a scheme and to the scheme's own with one; a path is preserved.
    Unlike there, an address that only a server can bind (`0.0.0.0`, `::`)
    becomes the loopback address.

    Raises:
        ValueError: If no client can connect to it; the message says why.
    """
    text = setting.strip().strip("\"'").strip()
    shown = repr(mask_url(text))
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
        default_port = 11434
        if text == "ollama.com":
            scheme, default_port = "https", 443
    else:
        scheme = scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise InvalidInputError(f"{shown}: {scheme!r} is neither http nor https")
        default_port = _DEFAULT_PORTS[scheme]
    host_and_port, _, path = rest.partition("/")
    if "…@" in shown:
        raise InvalidInputError(
            f"{shown}: no user and password can be in it; a key is sent if OLLAMA_API_KEY has one"
        )
    host, port = _split_port(host_and_port)
    if any(character.isspace() or character in "@?#\\" for character in host):
        raise InvalidInputError(f"{shown}: {host!r} is not the name of a host")
    number = _port_number(shown, port) if port else default_port
    url = f"{scheme}://{_client_host(host)}:{number}"
    path = path.rstrip("/")
    return f"{url}/{path}" if path else url


def ollama_api_key(setting: str) -> str:
    """Return the key for a value of `OLLAMA_API_KEY`; empty for none.

    Raises:
        ValueError: If a header cannot contain it; the message does not quote it.
    """
    key = setting.strip()
    if not all("!" <= character <= "~" for character in key):
        raise InvalidInputError(
            "an API key is printable ASCII without blanks; OLLAMA_API_KEY is not"
        )
    return key


def _split_port(host_and_port: str) -> tuple[str, str]:
    if host_and_port.startswith("["):
        host, _, port = host_and_port[1:].partition("]")
        return host, port.removeprefix(":")
    if host_and_port.count(":") > 1:  # a bare IPv6 address
        return host_and_port, ""
    host, _, port = host_and_port.partition(":")
    return host, port


def _port_number(shown: str, port: str) -> int:
    if re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) <= 65535:
        return int(port)
    raise InvalidInputError(f"{shown}: {mask_url(port)!r} is not a port from 1 to 65535")


def _client_host(host: str) -> str:
    """Return the host to connect to, with brackets if it is an IPv6 address."""
    if not host:
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return host if address.version == 4 else f"[{host}]"
