"""The floor: a loop that does nothing but send() the same bytes to as many sockets.

What a delivery costs below this is the kernel's, and no server can avoid it.
"""

import os
import select
import socket
import sys
import time


def main(members: int, rounds: int, size: int, interval: float) -> None:
    """Accept `members` sockets, then send `rounds` times `size` bytes to each.

    Prints the port first, then user + system seconds of the sending as a float.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)
    clients = [listener.accept()[0] for _ in range(members)]
    numbers = [client.fileno() for client in clients]
    for client in clients:
        client.setblocking(False)
    data, write = b"\x81" + bytes([size - 2]) + b"x" * (size - 2), os.write
    idle = select.epoll()
    before = time.process_time()
    due = time.monotonic()
    for _ in range(rounds):
        due += interval
        idle.poll(max(0.0, due - time.monotonic()))
        for number in numbers:
            write(number, data)
    print(time.process_time() - before, flush=True)


if __name__ == "__main__":
    members, rounds, size = (int(value) for value in sys.argv[1:4])
    main(members, rounds, size, float(sys.argv[4]))
