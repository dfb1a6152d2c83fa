// Rooms with `ws`: a Set of each room's members, a send() to each of the others.
"use strict";
const { createServer } = require("node:http");
const { WebSocket, WebSocketServer } = require("ws");

const rooms = new Map();
const http = createServer();
const server = new WebSocketServer({ server: http });

server.on("connection", (member, request) => {
  let room = rooms.get(request.url);
  if (!room) rooms.set(request.url, (room = new Set()));
  room.add(member);
  member.on("message", (message, binary) => {
    for (const other of room) {
      if (other !== member && other.readyState === WebSocket.OPEN) {
        other.send(message, { binary });
      }
    }
  });
  member.on("error", () => member.terminate());
  member.on("close", () => room.delete(member));
});

http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
