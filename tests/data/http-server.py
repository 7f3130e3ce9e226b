#!/usr/bin/env python3
"""A web server on a free port of 127.0.0.1 for tests/cli/download.sh, with all that can go wrong.

usage: http-server.py FOLDER

FOLDER/port gets the port, FOLDER/log a line for each request: path and Range header. What the first part of the path
says happens, and the rest names the file in FOLDER:

    /ranges/NAME    all of it, or the range that was asked for
    /plain/NAME     always all of it, as a server without ranges
    /short/NAME     as /ranges/, but the connection breaks after half of what is to be sent
    /stall/NAME     as /ranges/, but after the first 1000 bytes nothing comes any more
    /to/WHERE       a redirection to /WHERE
    /file/NAME      a redirection to a file of this machine
    /loop           a redirection to itself
"""
import http.server
import os
import re
import sys
import time

folder = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        wanted = self.headers.get("Range", "")
        with open(os.path.join(folder, "log"), "a") as log:
            log.write(f"{self.path} {wanted}\n")
        way, _, rest = self.path[1:].partition("/")
        if way == "to":
            self.redirect("/" + rest)
        elif way == "file":
            self.redirect("file://" + os.path.join(folder, rest))
        elif way == "loop":
            self.redirect(self.path)
        else:
            self.send_file(way, rest.partition("?")[0], wanted)

    def send_file(self, way, name, wanted):
        try:
            with open(os.path.join(folder, name), "rb") as f:
                data = f.read()
        except OSError:
            self.send_error(404)
            return
        begin = 0
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        if match and way != "plain":
            begin = int(match[1])
            if begin >= len(data):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        data = data[begin:]
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if way == "short":
            data = data[: len(data) // 2]
        if way == "stall":
            self.wfile.write(data[:1000])
            self.wfile.flush()
            time.sleep(600)
        self.wfile.write(data)
        if way == "short":
            self.wfile.flush()
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
with open(os.path.join(folder, "port.new"), "w") as f:
    f.write(str(server.server_address[1]))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
