"""Who may send requests to a server on this machine."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from fuseboard.server.local_hosts import AllowedCallers, OnlyLocalHosts, is_local, is_local_origin
from tests.core.serving import served

LOCAL_ORIGINS = [
    "http://localhost",
    "https://localhost:3000",
    "http://app.localhost:8080",
    "http://127.0.0.1:11434",
    "http://[::1]:5173",
    "HTTP://LocalHost",
    "tauri://localhost",
    "vscode-webview://1a2b3c",
    "app://obsidian.md",
]
FOREIGN_ORIGINS = [
    "https://evil.example",
    "http://evil.example:11434",
    "http://localhost.evil.example",
    "http://evil.localhost.example",
    "http://192.168.0.7",
    "http://127.0.0.1.evil.example",
    "http://localhost@evil.example",
    "chrome-extension://abcdefgh",
    "javascript://localhost",
    "null",
    "localhost",
    "",
]

Headers = list[tuple[bytes, bytes]]


def headers(**values: str) -> Headers:
    return [(name.replace("_", "-").encode(), text.encode()) for name, text in values.items()]


@pytest.mark.parametrize("origin", LOCAL_ORIGINS)
def test_pages_of_this_machine_are_accepted(origin: str) -> None:
    assert is_local_origin(origin)
    assert not AllowedCallers().refusal(headers(host="localhost", origin=origin))


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_pages_of_elsewhere_are_refused(origin: str) -> None:
    assert not is_local_origin(origin)
    reason = AllowedCallers().refusal(headers(host="localhost", origin=origin))
    assert reason == "the Origin is a foreign web site; --allow-origin allows one"


@pytest.mark.parametrize("host", ["evil.example", "host.docker.internal:9464", "10.0.0.1"])
def test_a_foreign_host_is_refused_unless_it_is_allowed(host: str) -> None:
    sent = headers(host=host)
    assert "--allow-host" in AllowedCallers().refusal(sent)
    assert "--allow-host" in AllowedCallers(hosts=["else.example"]).refusal(sent)
    assert not AllowedCallers(hosts=["else.example", host.partition(":")[0].upper()]).refusal(sent)
    assert not AllowedCallers(hosts=["*"]).refusal(sent)
    assert not AllowedCallers().refusal(sent, check_host=False)


def test_an_allowed_site_is_accepted_and_its_neighbours_are_not() -> None:
    allowed = AllowedCallers(origins=["https://Chat.example/"])
    assert not allowed.refusal(headers(origin="https://chat.example"))
    for near in ("http://chat.example", "https://chat.example:8443", "https://x.chat.example"):
        assert allowed.refusal(headers(origin=near))
    assert not AllowedCallers(origins=["*"]).refusal(headers(origin="null"))


def test_one_good_header_does_not_excuse_a_bad_one() -> None:
    for name, good, bad in (
        (b"host", b"localhost", b"evil.example"),
        (b"origin", b"http://localhost", b"http://evil.example"),
    ):
        assert AllowedCallers().refusal([(name, good), (name, bad)])
        assert AllowedCallers().refusal([(name, bad), (name, good)])


def test_what_a_foreign_page_embeds_is_refused_and_a_link_is_followed() -> None:
    embedded = headers(host="localhost", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert AllowedCallers().refusal(embedded) == "the request comes from a foreign web site"
    link = headers(host="localhost", sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert not AllowedCallers().refusal(link)
    own = headers(host="localhost", sec_fetch_site="same-origin", sec_fetch_mode="cors")
    assert not AllowedCallers().refusal(own)
    allowed = AllowedCallers(origins=["https://chat.example"])
    assert not allowed.refusal([*embedded, (b"origin", b"https://chat.example")])


def test_a_client_that_is_no_browser_is_accepted() -> None:
    assert not AllowedCallers().refusal([])
    assert not AllowedCallers().refusal(headers(host="127.0.0.1:9464", user_agent="curl/8"))


@pytest.mark.parametrize("host", ["http://a.example", "a.example:80", "a b", "", "a/b"])
def test_what_is_no_host_cannot_be_allowed(host: str) -> None:
    with pytest.raises(ValueError, match="is no host's name"):
        AllowedCallers(hosts=[host])


@pytest.mark.parametrize("origin", ["a.example", "https://a.example/path", "null", "", "//a"])
def test_what_is_no_origin_cannot_be_allowed(origin: str) -> None:
    with pytest.raises(ValueError, match="is no web site's origin"):
        AllowedCallers(origins=[origin])


@given(st.text())
def test_any_header_gets_a_decision(text: str) -> None:
    assert is_local(text) in (True, False)
    assert is_local_origin(text) in (True, False)


async def test_the_middleware_refuses_before_the_application_is_reached() -> None:
    app = OnlyLocalHosts(PlainTextResponse("reached"), AllowedCallers(hosts=["box.example"]))
    async with served(app) as url, httpx.AsyncClient(base_url=url) as http:
        assert (await http.get("/")).text == "reached"
        assert (await http.get("/", headers={"Host": "box.example:1"})).text == "reached"
        for sent in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            refused = await http.post("/", headers=sent, content=b"{}")
            assert refused.status_code == 403
            assert refused.text.startswith("refused: the ")
