import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type OnReadOpts, Socket } from 'node:net'
import { type Duplex, duplexPair, PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { dial } from '../../dist/net/dial.js'
import { type Consumer, connectWithLargeReads, feed as feedInTurns, withLargeReads } from '../../dist/net/feed.js'
import { Turn } from '../../dist/net/turn.js'
import { bytesOf } from '../fixtures/folder.ts'
import { gate } from '../fixtures/gate.ts'
import { settle, until } from '../fixtures/turns.ts'

/** What one read of a connection may bring: of the first, and of those beside it. */
const OWN = 8 * 1024 * 1024
const SHARED = 512 * 1024

/** The bytes after which others have their turn, however quickly they are taken. */
const TURN = 2 * 1024 * 1024
const content = bytesOf(3 * 1024 * 1024 + 1)

/** Feeds a connection. */
function feed(socket: Duplex, consume: Consumer, careful = false): void {
  feedInTurns(socket, consume, new Turn(), careful)
}

/** Both ends of a connection, the accepted one as a server of this product gets it. */
async function connected(t: Test): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, allowHalfOpen: true })
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  t.teardown(() => {
    client.destroy()
    accepted.destroy()
  })
  return { client, accepted }
}

/** Feeds until the end; what came, and the memory that each piece lay in. */
async function collect(socket: Duplex): Promise<{ bytes: Buffer; memories: Set<ArrayBufferLike> }> {
  const pieces: Buffer[] = []
  const memories = new Set<ArrayBufferLike>()
  feed(socket, (bytes) => {
    memories.add(bytes.buffer)
    pieces.push(Buffer.from(bytes))
  })
  await once(socket, 'end')
  return { bytes: Buffer.concat(pieces), memories }
}

/** An accepted socket with large reads, its other end, and a promise for its last moment. */
async function reading(t: Test): Promise<{ client: Socket; socket: Socket; closed: Promise<unknown> }> {
  const { client, accepted } = await connected(t)
  const socket = withLargeReads(accepted)
  t.teardown(() => socket.destroy())
  return { client, socket, closed: once(socket, 'close') }
}

/** The memory that the socket of a new connection reads into. */
async function nextMemory(t: Test): Promise<ArrayBufferLike | undefined> {
  const { client, socket, closed } = await reading(t)
  client.end('x')
  const { memories } = await collect(socket)
  socket.destroy()
  await closed
  return [...memories][0]
}

t.test('reads an accepted socket always into the same large memory', async (t) => {
  const { client, accepted } = await connected(t)
  const socket = withLargeReads(accepted)
  t.teardown(() => socket.destroy())
  t.not(socket, accepted)
  client.end(content)
  const { bytes, memories } = await collect(socket)
  t.ok(bytes.equals(content))
  t.equal(memories.size, 1)
  t.equal([...memories][0]?.byteLength, OWN)
})

t.test('gives the first connection memory of its own, and one memory to all beside it', async (t) => {
  const all = await Promise.all(Array.from({ length: 20 }, () => reading(t)))
  const collected = await Promise.all(
    all.map(({ client, socket }, index) => {
      client.end(content.subarray(index))
      return collect(socket)
    }),
  )
  for (const [index, { bytes }] of collected.entries()) t.ok(bytes.equals(content.subarray(index)))
  const memories = new Set(collected.flatMap(({ memories }) => [...memories]))
  t.strictSame([...memories].map(({ byteLength }) => byteLength).sort(), [SHARED, OWN].sort())
})

t.test('uses the memory of a connection that is over for the next one', async (t) => {
  t.equal(await nextMemory(t), await nextMemory(t))
})

t.test('gives the memory of a connection to no other as long as it is open', async (t) => {
  const { client, socket } = await reading(t)
  let memory: ArrayBufferLike | undefined
  let pieces = 0
  feed(socket, async (bytes) => {
    memory ??= bytes.buffer
    pieces++
  })
  client.write('x')
  await until(() => pieces === 1)
  await settle()
  t.not(await nextMemory(t), memory)
})

t.test('uses no memory again while a consumer still works with it', async (t) => {
  const { client, socket, closed } = await reading(t)
  const working = gate()
  let memory: ArrayBufferLike | undefined
  feed(socket, (bytes) => {
    memory = bytes.buffer
    return working.opened
  })
  client.write('x')
  await until(() => memory !== undefined)
  socket.destroy()
  await closed
  t.not(await nextMemory(t), memory)
  working.open()
})

for (const outcome of ['kept', 'broken'] as const) {
  t.test(
    `reads nothing into what a consumer works with, not even for a connection that failed, until its promise is ${outcome}`,
    async (t) => {
      const { client, socket } = await reading(t)
      const working = gate()
      const pieces: Buffer[] = []
      feed(socket, (bytes) => {
        pieces.push(bytes)
        if (pieces.length > 1) return
        return working.opened.then(() => {
          if (outcome === 'broken') throw new Error('gave up')
        })
      })
      client.write('first')
      await until(() => pieces.length === 1)
      // As a channel that fails does it: what still comes is read, and dropped.
      socket.resume()
      client.write('second')
      await until(() => pieces.length === 2)
      t.equal(String(pieces[0]), 'first')
      t.equal(String(pieces[1]), 'second')
      working.open()
      await settle()
      client.write('third')
      await until(() => pieces.length === 3)
      client.write('fourth')
      await until(() => pieces.length === 4)
      if (outcome === 'broken') t.equal(String(pieces[0]), 'first', 'not even then')
      else t.equal(pieces[3]?.buffer, pieces[0]?.buffer, 'and then uses it again')
    },
  )
}

t.test('reads nothing into a second piece either, as long as a consumer works with it', async (t) => {
  const { client, socket } = await reading(t)
  const working = [gate(), gate()]
  const pieces: Buffer[] = []
  feed(socket, (bytes) => working[pieces.push(bytes) - 1]?.opened)
  for (const [index, text] of ['first', 'second', 'third'].entries()) {
    client.write(text)
    await until(() => pieces.length > index)
    if (index === 0) working[0]?.open()
    // As a channel that fails does it: what still comes is read, and dropped.
    else socket.resume()
    await settle()
  }
  t.strictSame(pieces.slice(1).map(String), ['second', 'third'])
  working[1]?.open()
})

t.test(
  'reads the next piece into shared memory also while a consumer works: what it needs, it has copied',
  async (t) => {
    // The first connection has memory of its own; the next one shares.
    await reading(t)
    const { client, socket } = await reading(t)
    const working = gate()
    const memories: ArrayBufferLike[] = []
    feed(socket, (bytes) => (memories.push(bytes.buffer) === 1 ? working.opened : undefined))
    client.write('first')
    await until(() => memories.length === 1)
    socket.resume()
    client.write('second')
    await until(() => memories.length === 2)
    t.equal(memories[1], memories[0])
    working.open()
  },
)

t.test('changes between two memories where each piece is worked with', async (t) => {
  const { client, socket } = await reading(t)
  let wrong = 0
  const collected: Buffer[] = []
  feed(socket, async (bytes) => {
    const copy = Buffer.from(bytes)
    await settle(3)
    if (!copy.equals(bytes)) wrong++
    collected.push(copy)
  })
  client.end(content)
  await once(socket, 'end')
  t.equal(wrong, 0)
  t.ok(Buffer.concat(collected).equals(content))
})

t.test('never uses memory again with which a consumer has failed: part of it may be on its way still', async (t) => {
  const { client, socket, closed } = await reading(t)
  let memory: ArrayBufferLike | undefined
  feed(socket, async (bytes) => {
    memory = bytes.buffer
    throw new Error('gave up')
  })
  client.write('x')
  await until(() => memory !== undefined)
  await settle()
  socket.destroy()
  await closed
  t.not(await nextMemory(t), memory)
})

t.test('talks in both directions through the new wrapper, and survives what happens to the old one', async (t) => {
  const { client, accepted } = await connected(t)
  const socket = withLargeReads(accepted)
  t.teardown(() => socket.destroy())
  accepted.destroy()
  t.equal(socket.remotePort, client.localPort)
  client.end('ping')
  const { bytes } = await collect(socket)
  t.equal(bytes.toString(), 'ping')
  t.ok(socket.writable, 'the other direction is still open')
  socket.end('pong')
  const [answer] = await once(client, 'data')
  t.equal(String(answer), 'pong')
})

for (const [how, work] of Object.entries({ 'at once': () => {}, 'behind a promise': async () => await settle(1) })) {
  t.test(`loses nothing that came to a dialling socket before it was fed from, consumed ${how}`, async (t) => {
    // The first connection has memory of its own; what follows shares.
    await reading(t)
    const server = createServer((accepted) => {
      t.teardown(() => accepted.destroy())
      accepted.end(content)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { signal } = new AbortController()
    const { socket } = await dial({ host: '127.0.0.1', port, timeout: 60_000, wait: 0, signal, partner: 'sender' })
    server.close()
    t.teardown(() => socket.destroy())
    await until(() => socket.bytesRead > 0)
    await settle()
    t.ok(socket.bytesRead <= SHARED, 'it stopped reading after the first piece')
    // Another connection reads into the same memory meanwhile.
    const { accepted, client } = await connected(t)
    client.end(Buffer.alloc(content.length))
    const reader = withLargeReads(accepted)
    t.teardown(() => reader.destroy())
    await collect(reader)
    const pieces: Buffer[] = []
    feed(socket, (bytes) => {
      pieces.push(Buffer.from(bytes))
      return work()
    })
    await once(socket, 'end')
    t.ok(Buffer.concat(pieces).equals(content))
  })
}

t.test('lets others have their turn while the bytes of one connection come and come', async (t) => {
  // The first connection has memory of its own; the next one shares.
  await reading(t)
  const [socket] = duplexPair()
  let onread = {} as OnReadOpts
  connectWithLargeReads((options) => {
    onread = options.onread
    return socket as Socket
  })
  t.teardown(() => void socket.destroy())
  let taken = 0
  feed(socket, (bytes) => {
    taken += bytes.length
  })
  const nextPlace = () => (onread.buffer as () => Uint8Array)()
  // As libuv does it: again and again while a read fills its buffer, unless it is told to stop.
  const readOn = (most: number) => {
    for (let count = 0; count < most; count++) {
      const place = nextPlace()
      if (!onread.callback(place.length, place)) return
    }
  }
  readOn(32)
  t.ok(taken <= TURN)
  t.ok(socket.isPaused())
  await settle(2)
  t.notOk(socket.isPaused())
  readOn(32)
  t.ok(taken <= 2 * TURN)
  t.ok(socket.isPaused())
})

t.test('falls back on the data event where there is no handle to wrap', async (t) => {
  const plain = new Socket()
  t.equal(withLargeReads(plain), plain, 'a socket without a handle')
  const strange = { _handle: {} } as unknown as Socket
  t.equal(withLargeReads(strange), strange, 'a handle of another shape')
  t.match(strange, { _handle: {} }, 'which keeps it')
  const read = new PassThrough()
  read.unshift('early')
  const both = Object.assign(read, { _handle: {} }) as unknown as Socket
  t.equal(withLargeReads(both), both)
  t.equal(String(read.read()), 'early', 'and what was put back into it')
})

t.test('what was put back into the socket comes first', async (t) => {
  const { client, accepted } = await connected(t)
  accepted.unshift('early')
  client.end(content)
  const { bytes } = await collect(withLargeReads(accepted))
  t.ok(bytes.equals(Buffer.concat([Buffer.from('early'), content])))
})

t.test('feeds the same bytes by the data event', async (t) => {
  const { client, accepted } = await connected(t)
  client.end(content)
  const { bytes } = await collect(accepted)
  t.ok(bytes.equals(content))
})

t.test('feeds from any stream', async (t) => {
  const [left, right] = duplexPair()
  right.write('one')
  right.end('two')
  const { bytes } = await collect(left)
  t.equal(bytes.toString(), 'onetwo')
})

for (const [how, work] of Object.entries({ 'at once': () => {}, 'behind a promise': async () => {} })) {
  t.test(`takes a reset for no end where the last bytes come together with it, consumed ${how}`, async (t) => {
    for (const size of [1, 5_000, 100_000]) {
      const { client, accepted } = await connected(t)
      const socket = withLargeReads(accepted)
      const ended = new Promise((resolve) => {
        socket.once('error', ({ message }) => resolve(message))
        socket.once('end', () => resolve('end'))
      })
      let taken = 0
      feed(
        socket,
        (bytes) => {
          taken += bytes.length
          return work()
        },
        true,
      )
      client.write('x')
      await until(() => taken === 1)
      // The event loop does not go around between the two, so that the reader finds both at once.
      client.write(Buffer.alloc(size), () => client.resetAndDestroy())
      t.equal(await ended, 'read ECONNRESET', `${size} bytes`)
      t.equal(taken, 1 + size)
    }
  })
}

for (const [how, wrap] of [
  ['large reads', withLargeReads],
  ['data events', (socket: Socket) => socket],
] as const) {
  t.test(`brings nothing more while the consumer works behind a promise, with ${how}`, async (t) => {
    const { client, accepted } = await connected(t)
    const socket = wrap(accepted)
    t.teardown(() => socket.destroy())
    client.end(content)
    let working = false
    let overlaps = 0
    const pieces: Buffer[] = []
    feed(socket, async (bytes) => {
      if (working) overlaps++
      working = true
      pieces.push(Buffer.from(bytes))
      // Long enough for a socket that is not paused to bring the next piece.
      await settle(3)
      working = false
    })
    await once(socket, 'end')
    t.equal(overlaps, 0)
    t.ok(pieces.length > 1)
    t.ok(Buffer.concat(pieces).equals(content))
  })
}
