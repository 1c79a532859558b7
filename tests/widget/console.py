"""A page that does what CloudWatch's console does with a widget, and a loopback server behind it: the function `status`
answers the pages that the widget's own code has drawn, and `operator` notes what it is sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("console.html")


class Console:
    def __init__(self, pages):
        self.pages, self.calls = Path(pages), []
        console = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(PAGE.read_text() if self.path.startswith("/?") else "")

            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                console.calls.append((asked["endpoint"].rsplit("-", 1)[1], asked["event"]))
                self.answer(console.page(*console.calls[-1]))

            def answer(self, text):
                body = text.encode()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, function, event):
        theme = event["widgetContext"]["theme"]
        name = "receipt" if function == "operator" else event.get("fleet", "all")
        return (self.pages / f"{name}-{theme}.html").read_text()

    def url(self, **asked):
        words = "&".join(f"{name}={value}" for name, value in asked.items())
        return f"http://127.0.0.1:{self.server.server_port}/?{words}"

    def orders(self):
        return [event for function, event in self.calls if function == "operator"]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
