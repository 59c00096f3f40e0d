#!/usr/bin/env python3
"""Speaks the guests' line protocol (tests/guests/README.md) over a serial console.

serial.py PATH COMMAND          runs a command in the guest, prints its output, exits with its code
serial.py PATH --boot           prints the console until the guest is ready

PATH is what `virsh ttyconsole VM` prints, or the path of a unix socket.
--timeout SECONDS (default 120) limits either; exit code 124 says that it ran out.
"""
import argparse
import os
import re
import select
import socket
import stat
import sys
import time
import tty
import uuid

READY = re.compile(rb"GUEST-READY [^\n]*\n")
FIRST_PROBE = 1.5
NEXT_PROBE = 5


class Console:
    def __init__(self, path, timeout=120):
        self.deadline = time.monotonic() + timeout
        self.seen = b""
        if stat.S_ISSOCK(os.stat(path).st_mode):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(path)
            self.fd = self.socket.fileno()
        else:
            self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.fd)

    def send(self, line):
        os.write(self.fd, line.encode() + b"\n")

    def read(self, seconds):
        """Takes what arrives within some seconds; nothing may arrive."""
        left = min(seconds, self.deadline - time.monotonic())
        if left <= 0:
            raise TimeoutError(self.seen[-500:].decode(errors="replace"))
        if select.select([self.fd], [], [], left)[0]:
            data = os.read(self.fd, 65536)
            if not data:
                raise EOFError("the console was closed")
            self.seen += data.replace(b"\r", b"")

    def boot(self, show=lambda line: None):
        """Waits until the guest answers. Its READY line may have passed unseen, so this asks, too."""
        probe = uuid.uuid4().hex[:8]
        answer = re.compile(rb"^>%s \d+\n" % probe.encode(), re.M)
        next_probe = time.monotonic() + FIRST_PROBE
        shown = 0
        while not READY.search(self.seen) and not answer.search(self.seen):
            self.read(1)
            if time.monotonic() > next_probe:
                self.send(f"{probe} true")
                next_probe = time.monotonic() + NEXT_PROBE
            for line in self.seen[shown:].splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                shown += len(line)
                # A kernel echoes what the guest does not read yet; the end suffices to know it.
                if probe[-4:].encode() not in line:
                    show(line.decode(errors="replace"))

    def run(self, command):
        """Runs a command; returns its output and its code."""
        name = uuid.uuid4().hex[:8]
        answer = re.compile(rb"<%b\n(.*?)>%b (\d+)\n" % (name.encode(), name.encode()), re.S)
        self.send(f"{name} {command}")
        while not (match := answer.search(self.seen)):
            self.read(1)
        return match[1].decode(errors="replace"), int(match[2])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("path")
    parser.add_argument("command", nargs="?")
    parser.add_argument("--boot", action="store_true")
    parser.add_argument("--timeout", type=float, default=120)
    asked = parser.parse_args()
    if asked.boot == bool(asked.command):
        parser.error("give a command or --boot")
    try:
        if asked.boot:
            Console(asked.path, asked.timeout).boot(show=sys.stdout.write)
            return 0
        output, code = Console(asked.path, asked.timeout).run(asked.command)
        sys.stdout.write(output)
        return code
    except TimeoutError as error:
        print(f"serial: no answer; the console's last words:\n{error}", file=sys.stderr)
        return 124
    except (OSError, EOFError) as error:
        print(f"serial: {asked.path}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
