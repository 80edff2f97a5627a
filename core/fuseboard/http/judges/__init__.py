"""Judges of HTTP exchanges, one module for each protocol.

| modules | what they do |
| --- | --- |
| `http`, `ollama`, `openai` | a judge and its factory for each protocol |
| `ndjson`, `sse` | cut a body into lines or events |
| `json_object` | parse one JSON object, raise on an error reported in it |
| `error_response`, `transport_error` | rulings on an error status and on an exception |
| `error_message`, `redaction` | the server's message, without what the request contained |

To add a protocol, write a module here with a class that implements
`fuseboard.http.judge.Judge` and a factory `NAME_judge(request) -> Judge`; pass
an error status to `ErrorResponse`; export the factory from `fuseboard.http`.
`openai.py` shows the pattern for server-sent events, `ollama.py` for lines.
"""
