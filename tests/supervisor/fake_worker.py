"""A small worker that keeps the contract, and breaks it on request.

Supervisor tests have the zygote import this module in place of the server. What a
worker shall do wrong is in FAKE_PLAN, a JSON object from "slot" or "slot/generation" to
a word; what it was told goes to a file of its own in FAKE_TOLD.
"""

import contextlib
import faulthandler
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

from hubbub.server.stats.layout import State
from hubbub.server.stats.scoreboard import Scoreboard
from hubbub.settings import Settings


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    slot: int
    generation: int
    slots: int
    settings: Settings
    cluster: str
    listener: int
    scoreboard: int
    interest: int
    channel: int
    dump: int


def run_worker(spec: WorkerSpec) -> int:
    faulthandler.register(signal.SIGUSR2, file=spec.dump, chain=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plan = json.loads(os.environ.get("FAKE_PLAN", "{}"))
    name = f"{spec.slot}/{spec.generation}"
    word = plan.get(name) or plan.get(str(spec.slot), "")
    record = Scoreboard(spec.scoreboard).record(spec.slot, spec.generation)
    record.publish(
        {
            "pid": os.getpid(),
            "generation": spec.generation,
            "state": State.STARTING,
            "started_at": time.time_ns(),
            "heartbeat": time.monotonic_ns(),
        }
    )
    channel = socket.socket(fileno=spec.channel)
    if word == "exit 3":
        return 3
    if word == "never ready":
        signal.pause()
    record.set("state", State.READY)
    channel.send(b'{"type":"ready"}')
    if word == "exit 1":
        return 1
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "nonsense":
        channel.send(b"{nonsense")
    if word == "close channel":
        channel.close()
        signal.pause()
    return Fake(spec, word, record, channel).run()


class Fake:
    def __init__(self, spec, word, record, channel):
        self.spec = spec
        self.word = word
        self.record = record
        self.channel = channel
        self.links = {}
        folder = os.environ["FAKE_TOLD"]
        path = f"{folder}/{spec.slot}-{spec.generation}"
        self.told = open(path, "a", buffering=1)

    def run(self):
        while True:
            self.record.set("heartbeat", time.monotonic_ns())
            fds = [self.channel, *self.links.values()]
            for ready in select.select(fds, [], [], 0.1)[0]:
                if ready is not self.channel:
                    self.linked(ready)
                    continue
                data, passed, _, _ = socket.recv_fds(self.channel, 65536, 4)
                if not data:
                    return 1
                code = self.obey(json.loads(data), passed)
                if code is not None:
                    return code

    def tell(self, **line):
        self.told.write(json.dumps(line) + "\n")

    def obey(self, message, passed):
        self.tell(**message)
        peer = (message.get("slot"), message.get("generation"))
        match message["type"]:
            case "drain" if self.word != "will not drain":
                return 0
            case "link":
                self.links[peer] = socket.socket(fileno=passed[0])
                mine = [self.spec.slot, self.spec.generation]
                with contextlib.suppress(OSError):  # it has left already
                    self.links[peer].send(json.dumps(mine).encode())
            case "gone":
                self.links.pop(peer).close() if peer in self.links else None
            case "fault" if message["fault"] == "exit":
                return message["code"]
            case "fault" if message["fault"] == "raise":
                # Here: cut every link.
                for link in self.links.values():
                    with contextlib.suppress(OSError):
                        link.shutdown(socket.SHUT_RDWR)
            case "fault":
                block_on_purpose(message["seconds"])
        return None

    def linked(self, link):
        peer = next((peer for peer, one in self.links.items() if one is link), None)
        if peer is None:
            return  # closed in this very turn
        try:
            data = link.recv(1000)
        except ConnectionResetError:
            data = b""
        if data:
            self.tell(type="linked", peer=json.loads(data))
            return
        del self.links[peer]
        link.close()
        lost = {"type": "link_lost", "slot": peer[0], "generation": peer[1]}
        self.channel.send(json.dumps({**lost, "reason": "ended", "missed": 0}).encode())


def block_on_purpose(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        select.select([], [], [], 1)
