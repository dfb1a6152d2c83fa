// Rooms with Socket.IO, WebSocket only: its own rooms and its broadcast to the others.
"use strict";
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  pingInterval: 86400000, // A day: nobody is asked for a sign of life.
});

io.on("connection", (member) => {
  const { room } = member.handshake.query;
  member.join(room);
  member.on("say", (message) => member.to(room).emit("say", message));
});

http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
