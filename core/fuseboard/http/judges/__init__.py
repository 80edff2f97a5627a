"""Judges of HTTP exchanges.

| modules | what they do |
| --- | --- |
| `http`, `ollama`, `openai`, `anthropic`, `llm` | a judge's factory for each protocol |
| `verdict_rules` | which statuses and codes are failures, and how to choose them |
| `model_judge` | what the judges of models share |
| `model_api`, `generation` | bodies of JSON and events; how far the output has come in them |
| `embeddings` | whether there is one for each input |
| `ndjson`, `sse`, `json_object` | cut a body into lines or events, parse JSON |
| `reported_error`, `error_message`, `redaction` | an error in a body, and its message |
| `error_response`, `transport_error` | rulings on an error status and on an exception |

To add a protocol, write a module here with a class that implements
`fuseboard.http.judge.Judge` (`ModelJudge` does half of it) and a factory
`NAME_judge(request, rules) -> Judge`; export the factory from `fuseboard.http`.
`model_api.py` shows the pattern for server-sent events, `ollama.py` for lines.
"""
