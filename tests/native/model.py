#!/usr/bin/env python3
"""A model for one session of a real client, on loopback: Claude Code's API and Codex's.

model.py PORT FOLDER TOOL...: calls each TOOL in turn, and ends. It waits before all but the first until FOLDER/go-N is
there, and writes what came of each call to FOLDER/result-N. TOOL is SERVER/TOOL.
"""
import http.server
import json
import os
import sys
import threading
import time

port, folder, tools = int(sys.argv[1]), sys.argv[2], [tool.split("/") for tool in sys.argv[3:]]
lock = threading.Lock()


def write(name, text):
    path = os.path.join(folder, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)


def turn(results):
    """Which call comes next, by how many are over; what came of the last is written down."""
    done = len(results)
    if done:
        write(f"result-{done}", results[-1])
    if done >= len(tools):
        return None
    while done and not os.path.exists(os.path.join(folder, f"go-{done + 1}")):
        time.sleep(0.02)
    return done


def text_of(content):
    return content if isinstance(content, str) else json.dumps(content)


def claude(request):
    results = []
    for message in request.get("messages", []):
        for part in message["content"] if isinstance(message["content"], list) else []:
            if part.get("type") == "tool_result":
                results.append(text_of(part.get("content")))
    names = [tool["name"] for tool in request.get("tools", [])]
    # beside the session the client asks for titles and the like, without tools
    is_session = names or results
    at = turn(results) if is_session else None
    head = {"id": f"msg_{len(results)}", "type": "message", "role": "assistant", "model": "stub", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
    if at is None:
        block, delta, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}, "end_turn"
    else:
        server, tool = tools[at]
        block = {"type": "tool_use", "id": f"toolu_{at}", "name": f"mcp__{server}__{tool}", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps({"text": f"call {at}"})}
        stop = "tool_use"
    yield "message_start", {"message": head}
    yield "content_block_start", {"index": 0, "content_block": block}
    yield "content_block_delta", {"index": 0, "delta": delta}
    yield "content_block_stop", {"index": 0}
    yield "message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 1}}
    yield "message_stop", {}


def codex(request):
    results = [text_of(item.get("output")) for item in request.get("input", [])
               if item.get("type") == "function_call_output"]
    at = turn(results)
    answer = {"id": f"resp_{len(results)}", "object": "response", "status": "in_progress", "output": []}
    yield "response.created", {"response": answer}
    if at is None:
        item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    else:
        server, tool = tools[at]
        item = {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": f"mcp__{server}__{tool}",
                "arguments": json.dumps({"text": f"call {at}"})}
        # newer clients gather the tools of a server under its name
        spaces = [one["name"] for one in request.get("tools", []) if one.get("type") == "namespace"]
        space = next((one for one in spaces if one.rstrip("_") == f"mcp__{server}"), None)
        if space:
            item["namespace"], item["name"] = space, tool
    yield "response.output_item.done", {"output_index": 0, "item": item}
    usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None,
             "total_tokens": 2}
    yield "response.completed", {"response": {**answer, "status": "completed", "usage": usage}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
        answers = {"/v1/messages": claude, "/v1/responses": codex}.get(self.path.split("?")[0])
        self.send_response(200 if answers else 404)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        if os.environ.get("MODEL_LOG"):
            with open(os.environ["MODEL_LOG"], "a", encoding="utf-8") as file:
                file.write(json.dumps({"path": self.path, "request": request}) + "\n")
        with lock:
            for event, data in answers(request) if answers else ():
                line = json.dumps({"type": event, **data})
                self.wfile.write(f"event: {event}\ndata: {line}\n\n".encode())
                self.wfile.flush()
        self.close_connection = True

    def do_GET(self):
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
