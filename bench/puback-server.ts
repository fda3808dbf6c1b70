import { createServer } from 'node:net';

/**
 * The floor of a PUBACK on this machine: answers CONNECT and QoS 1 PUBLISH at once, checks nothing and stores nothing.
 * Listens on the port given.
 */
createServer({ noDelay: true }, socket => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const answers: Buffer[] = [];
    for (;;) {
      const headerBytes = (data[1] ?? 0) < 128 ? 2 : 3;
      if (data.length < headerBytes) break;
      const length = headerBytes === 2 ? data[1]! : (data[1]! & 127) | (data[2]! << 7);
      if (data.length < headerBytes + length) break;
      if (data[0] === 0x10) answers.push(Buffer.of(0x20, 2, 0, 0));
      if (data[0] === 0x32) {
        const idAt = headerBytes + 2 + data.readUInt16BE(headerBytes);
        answers.push(Buffer.of(0x40, 2, data[idAt]!, data[idAt + 1]!));
      }
      data = data.subarray(headerBytes + length);
    }
    rest = data;
    if (answers.length > 0) socket.write(Buffer.concat(answers));
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
