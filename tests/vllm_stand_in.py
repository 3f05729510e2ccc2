"""Stands for vLLM's executable: the same options, the same API, computed by transformers.

STAND_IN in the environment says how it behaves: `dies` (as a program without a GPU), `mute` (never
listens), `deaf` (it and what it has started do not listen to SIGTERM), `rule` (writes tokens by a
rule, without a model), `old` (so, too, and tells no token ids).
STAND_IN_RECORD is a file to which it writes its options, the processes that it consists of, and a
line for every request.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = os.environ.get("STAND_IN", "")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("folder")
    for name in (
        *("host", "dtype", "tokenizer", "served-model-name", "config-format", "load-format"),
        *("generation-config", "lora-modules", "max-lora-rank", "seed"),
        *("max-num-seqs", "max-model-len", "tensor-parallel-size"),
    ):
        parser.add_argument(f"--{name}")
    parser.add_argument("--port", type=int, required=True)
    for name in ("enable-lora", "disable-uvicorn-access-log", "enforce-eager"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


def record(**facts):
    if file := os.environ.get("STAND_IN_RECORD"):
        with open(file, "a", encoding="utf-8") as opened:
            opened.write(json.dumps(facts) + "\n")


class Models:
    """The model and, where there is one, the model with its adapter; loaded when first asked."""

    def __init__(self, given):
        self.given, self.lock, self.models = given, threading.Lock(), {}
        self.names = [given.served_model_name]
        if given.enable_lora:
            self.names.append(json.loads(given.lora_modules)["name"])

    def write(self, name, ids, limit, stops):
        if MODE in ("rule", "old"):
            return [3 + (sum(ids) + i) % 200 for i in range(limit)], "length", None
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        with self.lock:
            if name not in self.models:
                torch.set_num_threads(1)
                model = AutoModelForCausalLM.from_pretrained(self.given.folder)
                if name != self.given.served_model_name:
                    path = json.loads(self.given.lora_modules)["path"]
                    model = PeftModel.from_pretrained(model, path)
                self.models[name] = model.eval()
            new = []
            for _ in range(limit):
                with torch.inference_mode():
                    logits = self.models[name](input_ids=torch.tensor([[*ids, *new]])).logits
                new.append(int(logits[0, -1].argmax()))
                if new[-1] in stops:
                    return new, "stop", new[-1]
            return new, "length", None


def main():
    given = options()
    if MODE == "dies":
        print("RuntimeError: Failed to infer device type\nkey:", os.environ["VLLM_API_KEY"])
        sys.exit(3)
    ignore = "import signal; signal.signal(15, signal.SIG_IGN);" if MODE == "deaf" else ""
    worker = subprocess.Popen(
        [sys.executable, "-c", f"{ignore}import time; time.sleep(600)"], start_new_session=True
    )
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    models, window = Models(given), int(given.max_model_len or 10**6)
    kept = {n: v for n, v in os.environ.items() if "KEY" in n or n.startswith(("VLLM_", "DO_NOT"))}
    record(options=vars(given), pids=[os.getpid(), os.getppid(), worker.pid], environment=kept)

    class Handler(BaseHTTPRequestHandler):
        def allowed(self):
            sent = self.headers.get("Authorization")
            if sent == f"Bearer {os.environ['VLLM_API_KEY']}":
                return True
            self.reply(401, {"error": "Unauthorized"})
            return False

        def reply(self, status, content):
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def do_GET(self):
            if self.allowed():
                listed = {"data": [{"id": name} for name in models.names]}
                self.reply(200, {"version": "9.9"} if self.path == "/version" else listed)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.allowed():
                return
            record(request=body, route=self.path)
            if body["model"] not in models.names or self.path != "/v1/completions":
                return self.reply(404, {"error": {"message": "no such model", "code": 404}})
            ids, limit = body["prompt"], min(body["max_tokens"], window - len(body["prompt"]))
            new, why, stop = models.write(body["model"], ids, limit, body["stop_token_ids"])
            choice = {"index": 0, "text": "", "finish_reason": why, "stop_reason": stop}
            if MODE != "old":
                choice |= {"token_ids": new, "prompt_token_ids": ids}
            self.reply(200, {"object": "text_completion", "model": "m", "choices": [choice]})

        def log_message(self, *arguments):
            pass

    if MODE == "mute":
        threading.Event().wait()
    server = ThreadingHTTPServer((given.host, given.port), Handler)
    server.daemon_threads = True
    print("started", flush=True)
    server.serve_forever(0.02)


if __name__ == "__main__":
    main()
