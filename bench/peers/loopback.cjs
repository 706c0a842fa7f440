// For a server that can't be told its address: it listens on the loopback alone.
"use strict";

const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== "number" && typeof port !== "string") return listen.call(this, port, ...rest);
  if (typeof rest[0] === "string" || rest[0] === undefined) rest.shift();
  return listen.call(this, port, "127.0.0.1", ...rest);
};
