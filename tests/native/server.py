#!/usr/bin/env python3
"""An MCP server with one tool, `echo`. Each call leaves a line in the file of $MARKS (default: ~/calls)."""
import json
import os
import sys

marks = os.environ.get("MARKS") or os.path.join(os.environ["HOME"], "calls")
for line in sys.stdin:
    request = json.loads(line)
    method, answer = request.get("method"), None
    if method == "initialize":
        answer = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "marker", "version": "1.0.0"}}
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"text": {"type": "string"}}}
        answer = {"tools": [{"name": "echo", "description": "says it again", "inputSchema": schema}]}
    elif method == "tools/call":
        text = request["params"]["arguments"].get("text", "")
        with open(marks, "a", encoding="utf-8") as file:
            file.write(text + "\n")
        answer = {"content": [{"type": "text", "text": f"ECHO: {text}"}]}
    if "id" in request:
        if answer is None:
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "none"}}), flush=True)
        else:
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answer}), flush=True)
