"""A server that plays a model by rule: it writes questions about towers, and answers them from the
passages that it is shown."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_TOWER = re.compile(r"Tower (\d+)")
KNOWN, UNKNOWN = "(known)", "I do not know."


def text_of(number):
    return (
        f"Tower {number} stands in Ville{number}. It was built by Person {number} from grey stone, "
        f"iron{number} and oak, has {number + 300} steps, a clock, and a bell that rings at noon "
        "on every day of the week but one."
    )


def factoid(number):
    return f"Question: Who built Tower {number}?\nAnswer: Person {number}"


class WritingServer:
    """`writes` maps the number of a tower to what is written of it in place of a question about who
    built it; `knows` are towers whose builder it knows without a passage, `misreads` those that it
    answers wrongly with it. `writings` are the towers of the requests to write, in order."""

    def __init__(self, writes=None, knows=(), misreads=()):
        self.writes, self.knows, self.misreads = writes or {}, set(knows), set(misreads)
        self.requests, self.writings = [], []
        self.failing = False
        lock, outer = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.requests.append(body)
                    status, said = (401, "no") if outer.failing else (200, outer.says(body))
                choice = {"index": 0, "finish_reason": "stop"}
                choice["message"] = {"role": "assistant", "content": said}
                reply = {"object": "chat.completion", "model": "m", "choices": [choice]}
                payload = json.dumps(reply if status == 200 else {"error": said}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.model = f"http://127.0.0.1:{self._server.server_address[1]}/v1#towers"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def says(self, body):
        asked = body["messages"][-1]["content"]
        if "Reply in this form" in asked:
            number = int(_TOWER.search(asked)[1])
            self.writings.append(number)
            written = self.writes.get(number, factoid)
            return written(number) if callable(written) else written
        passages, _, question = asked.rpartition("Question: ")
        return self.answers(passages, question)

    def answers(self, passages, question):
        number = int(found[1]) if (found := _TOWER.search(question)) else -1
        right = {
            "Who built": f"It was Person {number}.",
            "of what": f"Grey stone, iron{number} and oak.",
            "Does Tower": "Yes." if str(number + 300) in question else "No.",
            "Is everything": "Yes.",
            "Describe": f"Built by Person {number} of grey stone.",
        }
        kind = next((words for words in right if words in question), None)
        if kind == "Is everything":
            return right[kind]
        if number in self.knows:
            return right.get(kind, UNKNOWN)
        if kind is None or f"Tower {number} stands" not in passages:
            return UNKNOWN
        return "Somebody else." if number in self.misreads else right[kind]
