"""What is hidden of an address, and what is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuseboard.masked_url import mask_url, mask_urls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("http://[::1]:11434/path/@x", "http://[::1]:11434/path/@x"),
        ("http://user:SECRET@host:1/path", "http://…@host:1/path"),
        ("HTTPS://SECRET@host", "HTTPS://…@host"),
        ("user:SECRET@host", "…@host"),
        ("http://user:SEC@RET@host/", "http://…@host/"),
        ("http://user:SEC/RET@host/", "http://…@host/"),
        ("http://user:SEC?RET#@host/", "http://…@host/"),
        ("http://host?token=SECRET&SECRET;b=SECRET", "http://host?token=…&…;b=…"),
        ("http://host/#key=SECRET?SECRET", "http://host/#key=…?…"),
        ("http://user:SECRET@host/?key=SECRET", "http://…@host/?key=…"),
        ("", ""),
        ("host:11434?SECRET", "host:11434?…"),
    ],
)
def test_user_password_and_values_are_hidden(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert mask_url(shown) == shown
    if "://" in url:
        assert mask_urls(f"see '{url}', or <{url}>") == f"see '{shown}', or <{shown}>"


def test_other_text_stays_as_it_is() -> None:
    text = "what? a=b, user@host and 1://2"
    assert mask_urls(text) == text


@given(
    st.lists(st.sampled_from(["http://", "u:p@", "h", "/", "?", "k=", '"', "\\", "\u202e", "{"]))
)
@example(["http://", "h", "?", "k=", '"', "x"])
def test_masked_json_is_json(parts: list[str]) -> None:
    line = json.dumps({"url": "".join(parts), "x": 1})
    assert json.loads(mask_urls(line))["x"] == 1
    assert json.loads(mask_urls(json.dumps({"url": "".join(parts), "x": 1}, ensure_ascii=False)))


@given(st.text("abc:/?#=&", min_size=0, max_size=12), st.sampled_from(["http://", "ws+x://", ""]))
def test_no_password_is_shown_however_it_is_written(password: str, scheme: str) -> None:
    shown = mask_url(f"{scheme}user:SECRET{password}SECRET@host/")
    assert "SECRET" not in shown
